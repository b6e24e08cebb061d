import type { DomainError } from '../kernel/bus/errors.ts';

/** An event as tests write it: the name of its type, short or in full, and its fields. Times are dates. */
export interface PlainEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** How a command or a query was refused. */
export interface Refusal {
  readonly reason: string;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** The fields of the request that something is wrong with, each once. */
  readonly fields: readonly string[];
}

/** What came of a command or a query. */
export interface Outcome<Event = PlainEvent> {
  /** What was recorded, in order. */
  readonly events: readonly Event[];
  /** The response message in plain values; undefined when it was refused. */
  readonly answer: unknown;
  /** Undefined when it succeeded. */
  readonly refusal: Refusal | undefined;
  /** The aggregate as the command leaves it; undefined where the test cannot see it. */
  readonly state: object | undefined;
}

/** An event as it is stored, with what stands beside it. */
export interface HistoricEvent {
  readonly event: PlainEvent;
  /** The version of the aggregate that the event's command left. */
  readonly version: number;
  readonly occurredAt: Date;
  readonly commandId: string;
}

/** What is stored of an aggregate. */
export interface StoredAggregate<A> {
  /** As a command would load it. */
  readonly aggregate: A;
  /** All its events, in order. */
  readonly history: readonly HistoricEvent[];
}

/** What tests see of an error. */
export function refusalBy(error: DomainError): Refusal {
  return {
    reason: error.reason,
    message: error.message,
    metadata: error.metadata,
    fields: [...new Set(error.violations.map(({ field }) => field))],
  };
}
