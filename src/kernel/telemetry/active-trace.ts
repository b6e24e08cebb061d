import { type Context, context, createContextKey, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import type { TraceContext } from '../bus/context-keys.ts';

const traceKey = createContextKey('trace of the call');

/**
 * Has what is under way know the call that it belongs to, across all that is awaited, in this process from now on. It is
 * an AsyncLocalStorage, and there whether spans are recorded or not: lines of the log name their trace by it.
 */
export function followCalls(): void {
  // False, and nothing done, when that was done before.
  context.setGlobalContextManager(new AsyncLocalStorageContextManager());
}

/** Where a call is under way that has no span. */
export const withTrace = (known: TraceContext): Context => ROOT_CONTEXT.setValue(traceKey, known);

/** The trace of the call without a span that is under way here. */
export const traceWithoutSpan = (): TraceContext | undefined => context.active().getValue(traceKey) as TraceContext | undefined;

/** Nothing is under way, and nothing is added to a line. */
export const NO_TRACE: { readonly trace_id?: string; readonly span_id?: string } = Object.freeze({});

/** For pino: the trace that is under way where a line is written, and the span if it is recorded. */
export function traceOfLine(): { trace_id?: string; span_id?: string } {
  const span = trace.getActiveSpan();
  if (!span) {
    const known = traceWithoutSpan();
    return known ? { trace_id: known.traceId } : NO_TRACE;
  }
  const { traceId, spanId } = span.spanContext();
  return span.isRecording() ? { trace_id: traceId, span_id: spanId } : { trace_id: traceId };
}
