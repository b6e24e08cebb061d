import { type Link, SpanKind, TraceFlags } from '@opentelemetry/api';
import { ATTRIBUTE } from './attributes.ts';
import { inOwnTrace } from './spans.ts';

/** An event, as far as a span names it. */
interface CausingEvent {
  readonly id: string;
  readonly sequence: number;
  readonly schema: { readonly typeName: string };
  readonly traceparent: string;
}

/**
 * Runs a reaction in a trace of its own: the commands that it sends are in that trace, and its span has a link to the command that stored the
 * event. It is recorded when that command was (see `followingCauses`), so that a chain that is recorded at all is recorded as a whole.
 */
export function inReaction<T>(reactor: string, event: CausingEvent, react: () => Promise<T>): Promise<T> {
  const attributes = {
    [ATTRIBUTE.reactor]: reactor,
    [ATTRIBUTE.eventId]: event.id,
    [ATTRIBUTE.eventType]: event.schema.typeName,
    [ATTRIBUTE.eventSequence]: event.sequence,
  };
  return inOwnTrace(`react ${reactor}`, { kind: SpanKind.CONSUMER, attributes, links: linksTo(event.traceparent) }, react);
}

/** A timer, as far as a span names it. */
interface FiringTimer {
  readonly id: string;
  readonly event_id: string;
  readonly traceparent: string;
}

/** Runs the command of a timer in a trace of its own, as that of a reaction: with a link to the command that stored the event with which it was set. */
export function inTimer<T>(process: string, timer: FiringTimer, send: () => Promise<T>): Promise<T> {
  const attributes = {
    [ATTRIBUTE.reactor]: process,
    [ATTRIBUTE.timerId]: timer.id,
    [ATTRIBUTE.eventId]: timer.event_id,
  };
  return inOwnTrace(`timer ${process}`, { kind: SpanKind.CONSUMER, attributes, links: linksTo(timer.traceparent) }, send);
}

/** To a span that is recorded; its ids lead nowhere otherwise. */
function linksTo(traceparent: string): Link[] {
  const [, traceId = '', spanId = '', flags = '00'] = traceparent.split('-');
  if ((Number.parseInt(flags, 16) & TraceFlags.SAMPLED) === 0) return [];
  return [{ context: { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true } }];
}
