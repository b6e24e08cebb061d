import { randomFillSync } from 'node:crypto';
import type { Interceptor } from '@connectrpc/connect';
import { type Call, callOf } from '../cqrs/call.ts';
import { type TraceContext, traceKey } from '../cqrs/context-keys.ts';

/** Sets the trace context of the call: the caller's `traceparent` (W3C Trace Context), or a new one when there is none that is valid. */
export function tracing(fillRandom: (bytes: Buffer) => void = randomFillSync): Interceptor {
  const newTraceparent = traceparents(fillRandom);
  return (next) => (request) => {
    const call = callOf(request);
    call.contextValues.set(traceKey, new CallTrace(call, newTraceparent));
    return next(request);
  };
}

/** Decided when first asked for: most work of a call needs no trace context. */
class CallTrace implements TraceContext {
  readonly #call: Call;
  readonly #newTraceparent: () => string;
  #traceparent: string | undefined;

  constructor(call: Call, newTraceparent: () => string) {
    this.#call = call;
    this.#newTraceparent = newTraceparent;
  }

  get traceparent(): string {
    this.#traceparent ??= received(this.#call.headerValue('traceparent')) ?? this.#newTraceparent();
    return this.#traceparent;
  }

  get traceId(): string {
    return this.traceparent.slice(3, 35);
  }
}

/** Version ff and ids of zeros are invalid, and version 00 ends after the flags; later versions may go on (W3C Trace Context, 3.2.2). */
const valid = /^(?!ff)(?:00(?=.{53}$)|(?!00)[0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-|$)/;

/** As received, cut to the fields of version 00, which is the version sent on. */
function received(header: string | undefined): string | undefined {
  if (header === undefined || !valid.test(header)) return undefined;
  return `00${header.slice(2, 55)}`;
}

/** Length of a trace id and a parent id together. */
const IDS_LENGTH = 24;

/** Makes ids from random bytes drawn for many calls at once. Flags 00: nothing records this trace so far. */
function traceparents(fillRandom: (bytes: Buffer) => void): () => string {
  const pool = Buffer.allocUnsafe(IDS_LENGTH * 256);
  let offset = pool.length;
  return () => {
    if (offset === pool.length) {
      fillRandom(pool);
      offset = 0;
    }
    const ids = pool.toString('hex', offset, offset + IDS_LENGTH);
    offset += IDS_LENGTH;
    return `00-${ids.slice(0, 32)}-${ids.slice(32)}-00`;
  };
}
