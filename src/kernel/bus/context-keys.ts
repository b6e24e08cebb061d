import { createContextKey } from '@connectrpc/connect';
import { ANONYMOUS, type Principal } from './principal.ts';

/** Who calls, from the authentication middleware on. An in-process caller may set it beforehand and needs no token then. */
export const principalKey = createContextKey<Principal | undefined>(undefined, { description: 'principal' });

/** Trace context of the call (W3C Trace Context). */
export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits: the span of the call. Undefined unless it is recorded, so that the trace can be looked up. */
  readonly spanId?: string | undefined;
  /** What to send on and to store beside events, in the format of the `traceparent` header. */
  readonly traceparent: string;
}
export const traceKey = createContextKey<TraceContext | undefined>(undefined, { description: 'trace context' });

/** Why a command is sent that nobody outside asked for. */
export interface Cause {
  /** The event to which a reactor reacts with it. */
  readonly eventId: string;
  /** The first command of the chain. */
  readonly correlationId: string;
}

/** Set by a caller in this process alone: nothing on the wire sets it. */
export const causeKey = createContextKey<Cause | undefined>(undefined, { description: 'cause' });

export function principalOf(call: { contextValues: { get<T>(key: { id: symbol; defaultValue: T }): T } }): Principal {
  return call.contextValues.get(principalKey) ?? ANONYMOUS;
}
