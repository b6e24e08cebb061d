import { Code } from '@connectrpc/connect';
import type { OutageLog } from '../background/outage-log.ts';
import type { Answer } from '../bus/answer.ts';
import { CONSISTENCY_TOKEN_HEADER } from '../bus/bus-headers.ts';
import type { Call, Message } from '../bus/call.ts';
import { DatabaseUnavailable, DomainError } from '../bus/errors.ts';
import type { ReadProjection } from '../bus/handler.ts';
import { type Around, busMiddleware, type Middleware, type Need } from '../bus/middleware.ts';
import type { DeclaredReads } from '../bus/query.ts';
import { watchedStream } from '../bus/watched-stream.ts';
import { lastOf, untilHandled } from '../consistency/projections-behind.ts';
import { ReadChoice, type TokenOutcome } from '../consistency/read-choice.ts';
import type { ConsistencyToken, ConsistencyTokens } from '../consistency/token.ts';
import { wishOf } from '../consistency/wish.ts';
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
  /** How a query with a token came to its database. */
  readonly byToken: (outcome: TokenOutcome) => void;
}

export interface ConsistencyParts {
  readonly tokens: ConsistencyTokens;
  /** The async projections that queries read. */
  readonly declared?: DeclaredReads | undefined;
  readonly report?: ReadingReport | undefined;
  readonly outages?: Outages | undefined;
}

const LOCATES = { locates: true };

/** Behind the address of a database there is another server than was seen there. */
class OtherServer extends Error {
  constructor() {
    super('another server answered than was known to have what the token tells of');
  }
}

/** How often a query is read anew because its database turned out to be another server. */
const MOST_ANEW = 2;

/**
 * Chooses the database that answers a query: a healthy replica that is as fresh as any, or the primary when `cqrs-consistency: strong` asks for
 * it, or when no replica is as fresh as `cqrs-max-staleness` says or has what `cqrs-consistency-token` tells of. Other values are refused (HeaderInvalid).
 *
 * When a replica fails in whatever way, or does not have what is asked for, the next candidate is asked, the primary last: a
 * replica that is away, behind, full or damaged costs no query. One that cancels a query, which is in the way of its replay, sends it to the
 * primary at once: others replay the same. The answer names who served it in `cqrs-served-by`, in `cqrs-staleness-ms` how old it can be at most, and
 * carries a token of what it saw.
 *
 * With a token, the server that answered has said beside the answer where it is: behind the same address there may be another one since a
 * failover, which does not have it. The query is read anew then.
 *
 * A stream stays with the database that it began with. When that fails, the stream ends with DatabaseUnavailable, and the caller
 * begins again where it was.
 */
export function consistency(
  reads: Pick<ReadSide, 'primary' | 'candidates' | 'monitor'>,
  { tokens, declared, report, outages }: ConsistencyParts,
): Middleware {
  const choice = new ReadChoice(reads, (outcome) => report?.byToken(outcome));

  /** Says what was read, and where: with what its caller had seen, that is what the next query has to see. */
  function tell(
    answer: Answer,
    {
      source,
      reader,
      call,
      token,
      told,
    }: { source: ReadPool; reader: Reader; call: Call; token: ConsistencyToken | undefined; told: readonly bigint[] | undefined },
  ): void {
    const { primary, monitor } = reads;
    const { positions } = monitor;
    answer.setHeader('cqrs-served-by', source.name);
    const staleness = monitor.staleness(source.name);
    if (staleness < Number.POSITIVE_INFINITY) answer.setHeader('cqrs-staleness-ms', String(Math.ceil(staleness)));
    const { seen } = reader;
    const { systemIdentifier } = positions;
    if (seen && systemIdentifier !== undefined) {
      positions.answered(source.name, seen);
      const { timeline, lsn } = seen;
      const sealed = (position: bigint): string => tokens.seal({ systemIdentifier, timeline, lsn, position });
      answer.setHeader(CONSISTENCY_TOKEN_HEADER, told ? told.map(sealed).join(', ') : sealed(token?.position ?? 0n));
    } else if (token) answer.setHeader(CONSISTENCY_TOKEN_HEADER, call.headerValue(CONSISTENCY_TOKEN_HEADER) ?? '');
    report?.served(source.name);
    if (source === primary) outages?.worked();
  }

  /** Whether what was read is of a server that was not known to have what the token tells of. */
  const isOfAnother = (reader: Reader, source: ReadPool, token: ConsistencyToken | undefined): boolean =>
    token !== undefined && !reader.isAllBehind((position) => reads.monitor.positions.has(source.name, token, position));

  const around =
    (isStream: boolean, projections: readonly ReadProjection[]): Around =>
    (next) =>
    async (call) => {
      const wish = wishOf(call, { tokens, systemIdentifier: reads.monitor.positions.systemIdentifier });
      const token = wish?.token;
      let candidates = wish ? await choice.of(wish, call) : reads.candidates();
      let timesAnew = 0;
      for (;;) {
        const [source, ...others] = candidates;
        if (!source) throw new DatabaseUnavailable();
        const reader = new Reader(source, call.cancellation, isStream ? undefined : LOCATES);
        call.contextValues.set(readerKey, reader);
        const reading = beginSpan(`read ${source.name}`, { attributes: { [ATTRIBUTE.servedBy]: source.name } });
        try {
          if (token && token.position > 0n && projections.length > 0)
            await untilHandled(source, { projections, positions: token.positions ?? [token.position], call });
          const answer = await (reading ? reading.run(() => next(call)) : next(call));
          if (isOfAnother(reader, source, token)) throw new OtherServer();
          const told = token?.positions && (await lastOf(source, token.positions, call));
          tell(answer, { source, reader, call, token, told });
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
          if (wish && (error instanceof OtherServer || (error instanceof DomainError && isOfAnother(reader, source, token)))) {
            timesAnew += 1;
            if (timesAnew > MOST_ANEW) throw new DatabaseUnavailable(error);
            candidates = await choice.anew(wish, call);
            report?.left(source.name);
            continue;
          }
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
  return busMiddleware('consistency', (method) => around(method.methodKind !== 'unary', declared?.get(method) ?? []), NEEDS);
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
