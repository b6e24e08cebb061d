import type { Interceptor } from '@connectrpc/connect';
import { type Answer, answerOf, toResponse } from '../cqrs/answer.ts';
import { type Call, callOf, type Message } from '../cqrs/call.ts';
import { DatabaseUnavailable, DomainError, Overloaded } from '../cqrs/errors.ts';
import type { ReadPool, ReadSide } from '../postgres/reader/read-side.ts';
import { Reader, readerKey } from '../postgres/reader/reader.ts';
import { errorCode, translateSqlError } from '../postgres/sql-errors.ts';

/** serialization_failure: on a standby, a query that was in the way of replay (PostgreSQL manual 26.4.2). */
const CANCELED_BY_REPLAY = '40001';
/** read_only_sql_transaction: the handler tried to write. That is a defect of the handler, and no fault of the database. */
const WRITE_REFUSED = '25006';

/**
 * Chooses the database that answers a query: the freshest healthy replica, or the primary when `cqrs-consistency: strong` asks for
 * it. When the replica fails, or does not have what is asked for, the next candidate is asked, the primary last: a replica that is
 * away or behind costs no query. The answer names who served it in `cqrs-served-by`.
 *
 * A stream stays with the database that it began with. When that fails, the stream ends with DatabaseUnavailable, and the caller
 * begins again where it was.
 */
export function consistency(reads: Pick<ReadSide, 'primary' | 'candidates' | 'monitor'>): Interceptor {
  return (next) => async (request) => {
    const call = callOf(request);
    let candidates = isStrong(call) ? [reads.primary] : reads.candidates();
    for (;;) {
      const [source, ...others] = candidates;
      if (!source) throw new DatabaseUnavailable();
      call.contextValues.set(readerKey, new Reader(source, call.cancellation));
      try {
        const answer = answerOf(await next(request));
        answer.setHeader('cqrs-served-by', source.name);
        if (!answer.stream) return toResponse(answer);
        const stream = answer as Answer<AsyncIterable<Message>>;
        return toResponse(stream.withMessage(readFrom(source, stream.message, reads)));
      } catch (error) {
        if (errorCode(error) === WRITE_REFUSED) throw error;
        candidates = worthAsking(error, { source, others, reads });
        if (candidates.length === 0) throw translateSqlError(error);
      }
    }
  };
}

/** The messages of a stream, whose failures say what they mean to the caller. */
async function* readFrom(
  source: ReadPool,
  messages: AsyncIterable<Message>,
  { monitor }: Pick<ReadSide, 'monitor'>,
): AsyncGenerator<Message> {
  try {
    yield* messages;
  } catch (error) {
    if (error instanceof DomainError || errorCode(error) === WRITE_REFUSED) throw error;
    if (errorCode(error) === CANCELED_BY_REPLAY) throw new DatabaseUnavailable(error);
    const translated = translateSqlError(error);
    if (translated instanceof DatabaseUnavailable) monitor.reportFailure(source.name);
    throw translated;
  }
}

function isStrong(call: Call): boolean {
  return call.headerValue('cqrs-consistency') === 'strong';
}

/** Who of the others may answer what this database could not. */
function worthAsking(
  error: unknown,
  { source, others, reads }: { source: ReadPool; others: readonly ReadPool[]; reads: Pick<ReadSide, 'monitor'> },
): readonly ReadPool[] {
  // Another replica may be as far behind; the primary knows.
  if (error instanceof DomainError) return error.kind === 'not-found' ? others.slice(-1) : [];
  if (errorCode(error) === CANCELED_BY_REPLAY) return others;
  const translated = translateSqlError(error);
  if (translated instanceof DatabaseUnavailable) reads.monitor.reportFailure(source.name);
  return translated instanceof DatabaseUnavailable || translated instanceof Overloaded ? others : [];
}
