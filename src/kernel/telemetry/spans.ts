import { Code } from '@connectrpc/connect';
import {
  type Context,
  context,
  isSpanContextValid,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { DomainError } from '../bus/errors.ts';
import { ATTRIBUTE, type SpanAttributes } from './attributes.ts';

export { type Span, SpanKind } from '@opentelemetry/api';

export interface SpanOptions {
  readonly attributes?: SpanAttributes;
  readonly kind?: SpanKind;
  readonly links?: Link[];
  /** When it began, in milliseconds since the epoch, if that is past. */
  readonly startTime?: number;
}

/** The span of what is under way here, if it is recorded. It costs a look, so that what nobody records costs next to nothing. */
export function recordedSpan(): Span | undefined {
  const span = trace.getSpan(context.active());
  return span?.isRecording() ? span : undefined;
}

/** A part of a recorded call that has begun. */
export interface BegunSpan {
  readonly span: Span;
  /** Runs something inside of it. */
  readonly run: <T>(work: () => T) => T;
  /** The same messages, each asked for inside of it. */
  readonly each: <T>(messages: AsyncIterable<T>) => AsyncIterable<T>;
  /** `error` is what it failed with, if it did. */
  readonly end: (error?: unknown) => void;
}

/** Begins a part of the recorded call that is under way; undefined when there is none. */
export function beginSpan(name: string, options: SpanOptions = {}): BegunSpan | undefined {
  return recordedSpan() && begin(name, options, context.active());
}

/** Runs a part of a call. When that is recorded, the part has a span, which `work` is given. */
export function inSpan<T>(name: string, options: SpanOptions, work: (span?: Span) => Promise<T>): Promise<T> {
  const begun = beginSpan(name, options);
  return begun ? ending(begun, work) : work();
}

/** Runs work that is no part of any call, in a trace of its own: what many calls share, or nobody called for. */
export function inOwnTrace<T>(name: string, options: SpanOptions, work: (span?: Span) => Promise<T>): Promise<T> {
  return ending(begin(name, options, ROOT_CONTEXT), work);
}

/** Says what a span failed with: never in the words of the error, which may hold what was sent. */
export function markFailed(span: Span, error: unknown): void {
  span.setAttribute(ATTRIBUTE.errorType, errorType(error));
  span.setStatus({ code: SpanStatusCode.ERROR });
}

function begin(name: string, { attributes, ...options }: SpanOptions, parent: Context): BegunSpan {
  const span = trace.getTracer('bicameral').startSpan(name, { ...options, ...(attributes && { attributes }) }, parent);
  // Where nobody takes spans, it is none that could be named.
  const inside = isSpanContextValid(span.spanContext()) ? trace.setSpan(parent, span) : parent;
  return {
    span,
    run: (work) => context.with(inside, work),
    each: (messages) => inContext(inside, messages),
    end: (error) => {
      if (error !== undefined && !isRefusal(error)) markFailed(span, error);
      span.end();
    },
  };
}

async function ending<T>(begun: BegunSpan, work: (span: Span) => Promise<T>): Promise<T> {
  let failure: unknown;
  try {
    return await begun.run(() => work(begun.span));
  } catch (error) {
    failure = error ?? new Error('thrown without an error');
    throw error;
  } finally {
    begun.end(failure);
  }
}

/** What a caller has to correct is no failure of the part that says so. */
const REFUSALS: ReadonlySet<Code> = new Set([
  Code.InvalidArgument,
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.NotFound,
  Code.AlreadyExists,
  Code.FailedPrecondition,
  Code.Canceled,
]);

const isRefusal = (error: unknown): boolean => error instanceof DomainError && REFUSALS.has(error.code);

/** SQLSTATEs and the codes of Node.js. */
const CODE = /^[0-9A-Z_]{5,40}$/;

/** A word for the kind of an error, out of a set that the code has. */
function errorType(error: unknown): string {
  if (error instanceof DomainError) return error.reason;
  if (!Error.isError(error)) return 'Error';
  return 'code' in error && typeof error.code === 'string' && CODE.test(error.code) ? error.code : error.name;
}

/** The same messages, each asked for inside of the context, whoever reads them. */
export function inContext<T>(inside: Context, messages: AsyncIterable<T>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = context.with(inside, () => messages[Symbol.asyncIterator]());
      return {
        next: () => context.with(inside, () => iterator.next()),
        return: async (value) => (await context.with(inside, () => iterator.return?.(value))) ?? { done: true as const, value },
      };
    },
  };
}
