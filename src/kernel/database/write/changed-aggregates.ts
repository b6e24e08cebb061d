import type { AggregateType, EventMessage } from './aggregate-type.ts';
import type { StoredEvent } from './stored-event.ts';

/** An aggregate that a repository loaded, or took in. */
export interface Tracked {
  readonly type: AggregateType<object>;
  readonly aggregate: object;
  /** Undefined for a new aggregate. */
  readonly versionBefore: number | undefined;
  /** See `AggregateType.names`. */
  readonly namesBefore: readonly string[];
  /** Of one with several tables: it and its parts, as they were loaded. */
  readonly partsBefore: ReadonlySet<object> | undefined;
}

/**
 * What a script changed: an aggregate that no mapping of the unit of work keeps. The script wrote its rows itself, by the EntityManager or
 * by SQL, and answers for it that no other command wrote them meanwhile.
 */
export interface ScriptedChange {
  /** As stored in cqrs.event, e.g. `billing.v1.Invoice`. */
  readonly aggregateType: string;
  /** A UUID. */
  readonly aggregateId: string;
  /** Undefined for a new aggregate. */
  readonly versionBefore?: number | undefined;
  readonly version: number;
  readonly events: readonly EventMessage[];
}

/** An aggregate that a command changed, with the events it recorded. */
export interface Changed extends ScriptedChange {
  readonly stored: readonly { readonly id: string; readonly event: StoredEvent }[];
  /** Undefined when a script wrote it. */
  readonly tracked: Tracked | undefined;
}

/** Is called after each commit that stored events. */
export type OnEvents = (changed: readonly Changed[]) => void;

export function identityOf({ type, aggregate }: Tracked): Omit<ScriptedChange, 'events' | 'versionBefore'> {
  return { aggregateType: type.name, aggregateId: type.id(aggregate), version: type.version(aggregate) };
}

/** The order in which several aggregates are locked. */
export function byIdentity(a: Tracked, b: Tracked): number {
  const [one, other] = [`${a.type.name} ${a.type.id(a.aggregate)}`, `${b.type.name} ${b.type.id(b.aggregate)}`];
  return one < other ? -1 : 1;
}
