import { ConnectError, type Interceptor } from '@connectrpc/connect';
import { messageKind } from '../kernel/bus/convention.ts';
import { errorInfo } from './error-info.ts';

const TOKEN_HEADER = 'cqrs-consistency-token';

/** What a client has seen: see `readYourWrites`. */
export interface SeenState {
  /** The value of the header of the next query. It is no secret and grants no right. */
  token?: string;
}

/** Why a token is of no use any more: docs/errors.md. */
const USELESS: ReadonlySet<string | undefined> = new Set([
  'CONSISTENCY_STATE_LOST',
  'CONSISTENCY_TOKEN_EXPIRED',
  'CONSISTENCY_TOKEN_FOREIGN',
  'CONSISTENCY_TOKEN_INVALID',
]);

/**
 * Lets each query see what the answers before it told of, whichever instance and replica it comes to: it carries the consistency tokens that came
 * with them.
 *
 * ```ts
 * const transport = createGrpcTransport({ baseUrl, interceptors: [readYourWrites(), idempotencyKeys(), retries()] });
 * ```
 *
 * A token that the service cannot use any more, because a day has passed or a failover lost what it tells of, is forgotten, and the query is
 * sent once more without it.
 *
 * `seen` carries the state on: from one process to another in a message, or over the reload of a page. A server that calls for many people
 * has one `seen` for each of them.
 */
export function readYourWrites(seen: SeenState = {}): Interceptor {
  const tokens = (): string[] => seen.token?.split(SEPARATOR) ?? [];
  const keep = (kept: readonly string[]): void => {
    if (kept.length === 0) delete seen.token;
    else seen.token = [...new Set(kept)].slice(-MOST_TOKENS).join(SEPARATOR);
  };
  const forget = (some: readonly string[]): void => keep(tokens().filter((token) => !some.includes(token)));

  return (next) => async (request) => {
    const isQuery = messageKind(request.method.parent) === 'query';
    const sent = isQuery && !request.header.has(TOKEN_HEADER) ? tokens() : [];
    if (sent.length > 0) request.header.set(TOKEN_HEADER, sent.join(SEPARATOR));
    const send = async (): ReturnType<typeof next> => {
      const answer = await next(request);
      const token = answer.header.get(TOKEN_HEADER);
      // An answer tells at least of what its request asked for. Calls that run side by side end in any order, so that the others stay.
      if (token !== null) keep([...tokens().filter((kept) => !sent.includes(kept)), token]);
      return answer;
    };
    try {
      const answer = await send();
      return answer.stream
        ? { ...answer, message: failing(answer.message, (error) => isUseless(error) && forget(sent)) }
        : answer;
    } catch (error) {
      if (sent.length === 0 || !isUseless(error)) throw error;
      forget(sent);
      if (request.stream) throw error;
      request.header.delete(TOKEN_HEADER);
      return await send();
    }
  };
}

const isUseless = (error: unknown): boolean => USELESS.has(errorInfo(ConnectError.from(error))?.reason);

/** Streams may be refused with their first message. */
async function* failing<T>(messages: AsyncIterable<T>, failed: (error: unknown) => void): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    failed(error);
    throw error;
  }
}

const SEPARATOR = ', ';
/** Commands that run side by side have each a token of its own, until the next query brings one that tells of all of them. */
const MOST_TOKENS = 8;
