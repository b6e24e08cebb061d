import type { Interceptor } from '@connectrpc/connect';
import { takesKey } from '../kernel/contracts/bus-metadata.ts';

export const KEY_HEADER = 'idempotency-key';

/**
 * Gives each command that takes one an `idempotency-key` of its own, unless the caller sent one: sent again by `retries`, the command is not
 * done twice. Commands that return a secret, such as a log-in, take none.
 *
 * ```ts
 * const transport = createGrpcTransport({ baseUrl, interceptors: [idempotencyKeys(), retries()] });
 * ```
 *
 * Code that sends a command again by itself, such as a job that starts anew, sends a key of its own that it has stored before.
 */
export function idempotencyKeys(newKey: () => string = randomKey): Interceptor {
  return (next) => async (request) => {
    if (takesKey(request.method) && !request.header.has(KEY_HEADER)) request.header.set(KEY_HEADER, newKey());
    return await next(request);
  };
}

/** 128 bits. `crypto.randomUUID` is missing in pages without TLS. */
const randomKey = (): string =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
