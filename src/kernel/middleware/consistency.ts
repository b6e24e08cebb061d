import { Code } from '@connectrpc/connect';
import type { OutageLog } from '../background/outage-log.ts';
import type { Answer } from '../bus/answer.ts';
import { mostStaleness, wantsStrongConsistency } from '../bus/bus-headers.ts';
import type { Call, Message } from '../bus/call.ts';
import { DatabaseUnavailable, DomainError } from '../bus/errors.ts';
import { type Around, busMiddleware, type Middleware, type Need } from '../bus/middleware.ts';
import { watchedStream } from '../bus/watched-stream.ts';
import type { ReadPool, ReadSide } from '../database/read/read-side.ts';
import { Reader, readerKey } from '../database/read/reader.ts';
import { errorCode, meaningOf, translateSqlError } from '../database/sql-errors.ts';
import { ATTRIBUTE } from '../telemetry/attributes.ts';
import { type BegunSpan, beginSpan } from '../telemetry/spans.ts';

const NEEDS: readonly Need[] = [{ name: 'authorization', because: 'nothing is looked up for a caller who may not see it' }];

/** read_only_sql_transaction: the handler tried to write. That is a defect of the handler, and no fault of the database. */
const WRITE_REFUSED = '25006';
/** query_canceled: by its time limit or by somebody, which is about the query alone. */
const CANCELED = '57014';

/** Told of what the primary says when it fails queries: they have nowhere else to go. */
type Outages = Pick<OutageLog, 'failed' | 'worked'>;

/** Told which database answered a query, and which was left because it could not. */
export interface ReadingReport {
  readonly served: (database: string) => void;
  readonly left: (database: string) => void;
}

/**
 * Chooses the database that answers a query: the freshest healthy replica, or the primary when `cqrs-consistency: strong` asks for
 * it, or when no replica is as fresh as `cqrs-max-staleness` says. Other values are refused (HeaderInvalid).
 *
 * When a replica fails in whatever way, or does not have what is asked for, the next candidate is asked, the primary last: a
 * replica that is away, behind, full or damaged costs no query. One that cancels a query, which is in the way of its replay, sends it to the
 * primary at once: others replay the same. The answer names who served it in `cqrs-served-by`, and in `cqrs-staleness-ms` how old it can be at most.
 *
 * A stream stays with the database that it began with. When that fails, the stream ends with DatabaseUnavailable, and the caller
 * begins again where it was.
 */
export function consistency(
  reads: Pick<ReadSide, 'primary' | 'candidates' | 'monitor'>,
  { report, outages }: { report?: ReadingReport | undefined; outages?: Outages } = {},
): Middleware {
  const around: Around = (next) => async (call) => {
    let candidates = wantsStrongConsistency(call) ? [reads.primary] : reads.candidates();
    const most = mostStaleness(call);
    if (most !== undefined && candidates.length > 1) candidates = await freshEnough(most, call, reads);
    for (;;) {
      const [source, ...others] = candidates;
      if (!source) throw new DatabaseUnavailable();
      call.contextValues.set(readerKey, new Reader(source, call.cancellation));
      const reading = beginSpan(`read ${source.name}`, { attributes: { [ATTRIBUTE.servedBy]: source.name } });
      try {
        const answer = await (reading ? reading.run(() => next(call)) : next(call));
        answer.setHeader('cqrs-served-by', source.name);
        const staleness = reads.monitor.staleness(source.name);
        if (staleness < Number.POSITIVE_INFINITY) answer.setHeader('cqrs-staleness-ms', String(Math.ceil(staleness)));
        report?.served(source.name);
        if (source === reads.primary) outages?.worked();
        if (!answer.stream) {
          reading?.end();
          return answer;
        }
        const stream = answer as Answer<AsyncIterable<Message>>;
        const messages = readFrom(source, stream.message, reads);
        return stream.withMessage(reading ? streamInSpan(reading, messages) : messages);
      } catch (error) {
        reading?.end(error);
        if (errorCode(error) === WRITE_REFUSED) throw error;
        candidates = worthAsking(error, { source, others, reads });
        if (candidates.length === 0) {
          const translated = translateSqlError(error);
          if (translated instanceof DatabaseUnavailable) outages?.failed(error);
          throw translated;
        }
        report?.left(source.name);
      }
    }
  };
  return busMiddleware('consistency', () => around, NEEDS);
}

/** How long a query waits for a look at the databases that may show a replica to be fresh enough, in milliseconds. */
const LOOK_PATIENCE = 100;

/** The candidates that are as fresh as asked for; what is not known to be is looked at once more, for all queries that want it together. */
async function freshEnough(
  most: number,
  call: Call,
  { candidates, monitor }: Pick<ReadSide, 'candidates' | 'monitor'>,
): Promise<readonly ReadPool[]> {
  const fresh = (): readonly ReadPool[] => candidates().filter(({ name }) => monitor.staleness(name) <= most);
  const known = fresh();
  if (known.length > 1 || most === 0) return known;
  await within(LOOK_PATIENCE, call, monitor.refresh());
  return fresh();
}

/** Resolves with the promise, or when the time is over. Rejects when the call is canceled. */
function within(ms: number, { cancellation }: Call, promise: Promise<unknown>): Promise<void> {
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const forget = cancellation.onCancel(reject);
  promise.then(
    () => resolve(),
    () => resolve(),
  );
  return done.finally(() => {
    clearTimeout(timer);
    forget();
  });
}

/** The messages of a stream, whose failures say what they mean to the caller. */
async function* readFrom(
  source: ReadPool,
  messages: AsyncIterable<Message>,
  { primary, monitor }: Pick<ReadSide, 'primary' | 'monitor'>,
): AsyncGenerator<Message> {
  try {
    yield* messages;
  } catch (error) {
    if (error instanceof DomainError || errorCode(error) === WRITE_REFUSED) throw error;
    const meaning = meaningOf(error);
    if (speaksAgainst(error)) monitor.reportFailure(source.name, error);
    // Begun again, it may go to another database.
    if (meaning === 'conflict' || (meaning === 'damaged' && source !== primary)) throw new DatabaseUnavailable(error);
    throw translateSqlError(error);
  }
}

function streamInSpan(reading: BegunSpan, messages: AsyncIterable<Message>): AsyncIterable<Message> {
  return watchedStream(reading.each(messages), (end) => reading.end(end.kind === 'failed' ? end.error : undefined));
}

/** Who of the others may answer what this database could not. */
function worthAsking(
  error: unknown,
  { source, others, reads }: { source: ReadPool; others: readonly ReadPool[]; reads: Pick<ReadSide, 'primary' | 'monitor'> },
): readonly ReadPool[] {
  const { primary, monitor } = reads;
  // Another replica may be as far behind; the primary knows.
  if (error instanceof DomainError) return error.code === Code.NotFound && source !== primary ? [primary] : [];
  const meaning = meaningOf(error);
  if (speaksAgainst(error)) monitor.reportFailure(source.name, error);
  if (meaning === 'conflict' && source !== primary) return [primary, ...others.filter((other) => other !== primary)];
  // Also after a defect: a replica may not have the tables yet that a migration has just made. What is no error of a database is a
  // mistake of this program, and the same everywhere.
  return meaning === undefined ? [] : others;
}

/** Not so a conflict, which is the replay's, and an overload, which passes. */
function speaksAgainst(error: unknown): boolean {
  const meaning = meaningOf(error);
  return (meaning === 'unavailable' || meaning === 'damaged') && errorCode(error) !== CANCELED;
}
