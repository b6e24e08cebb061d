import { randomFillSync } from 'node:crypto';
import { ConnectError, createContextKey } from '@connectrpc/connect';
import {
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  type TextMapGetter,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import type { Answer } from '../bus/answer.ts';
import type { Call, Message } from '../bus/call.ts';
import { untilItsEnd } from '../bus/call-end.ts';
import { type TraceContext, traceKey } from '../bus/context-keys.ts';
import { methodName } from '../bus/convention.ts';
import { type Around, busMiddleware, type Middleware, type Need } from '../bus/middleware.ts';
import { traceWithoutSpan, withTrace } from '../telemetry/active-trace.ts';
import { describeOrigin, endCallSpan, sampledBy } from '../telemetry/call-span.ts';
import { inContext } from '../telemetry/spans.ts';

/** Names the trace of the call: in a request, that of its caller; in an answer, that of the call, when it is recorded. */
export const TRACE_HEADER = 'traceparent';

/**
 * Sets the trace context of the call: the caller's `traceparent` (W3C Trace Context), or a new one when there is none that is valid.
 * What is inside of a recorded call knows it, its lines of the log included; for the others see `handlerTrace`.
 *
 * With a tracer the call gets a span (semantic conventions of OpenTelemetry for RPC, 1.45). One that is recorded is named in the answer.
 */
export function tracing(tracer?: Tracer, fillRandom: (bytes: Buffer) => void = randomFillSync): Middleware {
  const around = tracer ? withSpans(tracer) : withoutSpans(fillRandom);
  return busMiddleware('tracing', () => around);
}

function withoutSpans(fillRandom: (bytes: Buffer) => void): Around {
  const newTraceparent = traceparents(fillRandom);
  return (next) => (call) => {
    const known = new CallTrace(call, newTraceparent);
    call.contextValues.set(traceKey, known);
    return next(call);
  };
}

const NEEDS: readonly Need[] = [{ name: 'tracing', because: 'tracing gives the handler its trace' }];

/** Where the handler of a call is that has an unrecorded span. */
const unrecordedKey = createContextKey<Context | undefined>(undefined, { description: 'unrecorded span' });

/**
 * Has a handler know the trace of a call that is not recorded: its lines of the log, and the calls that it makes in process. Innermost,
 * because all that is awaited in a context pays for it: around the whole call that would be some microseconds.
 */
export function handlerTrace(): Middleware {
  const around: Around = (next) => (call) => {
    const known = call.contextValues.get(traceKey);
    // A recorded call is in its context from its begin on.
    if (!known || known.spanId !== undefined) return next(call);
    const inside = call.contextValues.get(unrecordedKey) ?? withTrace(known);
    const answer = context.with(inside, next, undefined, call);
    return call.stream ? answer.then((stream) => readInside(inside, stream)) : answer;
  };
  return busMiddleware('handler trace', () => around, NEEDS);
}

/** Decided when first asked for: most work of a call needs no trace context. */
class CallTrace implements TraceContext {
  readonly #call: Call;
  readonly #newTraceparent: () => string;
  /** In process, the call that this one is part of. */
  readonly #around: TraceContext | undefined;
  #traceparent: string | undefined;

  constructor(call: Call, newTraceparent: () => string) {
    this.#call = call;
    this.#newTraceparent = newTraceparent;
    this.#around = call.origin.door === 'in-process' ? traceWithoutSpan() : undefined;
  }

  get traceparent(): string {
    this.#traceparent ??= received(this.#call.headerValue(TRACE_HEADER)) ?? this.#around?.traceparent ?? this.#newTraceparent();
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

const header: TextMapGetter<Call> = { get: (call, name) => call.headerValue(name), keys: (call) => [...call.headerNames] };

function withSpans(tracer: Tracer): Around {
  return (next) => (call) => {
    const around = callerOf(call);
    const span = tracer.startSpan(methodName(call.method), { kind: SpanKind.SERVER, attributes: sampledBy(call) }, around);
    const inside = trace.setSpan(around, span);
    const isRecorded = span.isRecording();
    const { traceId, spanId } = span.spanContext();
    const traceparent = `00-${traceId}-${spanId}-${isRecorded ? '01' : '00'}`;
    call.contextValues.set(traceKey, { traceId, spanId: isRecorded ? spanId : undefined, traceparent });
    if (!isRecorded) {
      call.contextValues.set(unrecordedKey, inside);
      return next(call);
    }

    describeOrigin(span, call);
    const make = async (): Promise<Answer> => {
      const answer = await context.with(inside, next, undefined, call);
      answer.setHeader(TRACE_HEADER, traceparent);
      return call.stream ? readInside(inside, answer) : answer;
    };
    return untilItsEnd(call, make, (end, answer) => {
      endCallSpan(span, call, { end, answer });
      if (end.error instanceof ConnectError) end.error.metadata.set(TRACE_HEADER, traceparent);
    });
  };
}

/** The messages of a stream are made when the door asks for them, which is outside of the call. */
function readInside(inside: Context, answer: Answer): Answer {
  return answer.withMessage(inContext(inside, answer.message as AsyncIterable<Message>));
}

/** Where the caller was when it called: on the other side of a network, as it says, or here. */
function callerOf(call: Call): Context {
  if (call.origin.door === 'in-process' && call.headerValue(TRACE_HEADER) === undefined) return context.active();
  return propagation.extract(ROOT_CONTEXT, call, header);
}
