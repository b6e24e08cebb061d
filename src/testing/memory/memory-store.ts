import type { DescMessage } from '@bufbuild/protobuf';
import { fromBinary } from '@bufbuild/protobuf';
import type { AggregateType, EventMessage } from '../../kernel/database/write/aggregate-type.ts';
import { type StoredEvent, toStoredEvent } from '../../kernel/database/write/stored-event.ts';
import { deepCopy } from '../deep-copy.ts';
import type { PlainEvent } from '../outcome.ts';
import { plainEvent } from '../plain.ts';

/** A column, or several, of which no two aggregates have the same value: what a unique index is in PostgreSQL. */
export interface Unique<A extends object = object> {
  readonly type: AggregateType<A>;
  /** As the index is called: what `AggregateType.violation` is asked about. */
  readonly constraint: string;
  /** Undefined where the index holds nothing of the aggregate. */
  readonly value: (aggregate: A) => string | undefined;
}

/**
 * Declares what is unique among the aggregates in memory.
 *
 * ```ts
 * unique(UserType, 'user_email_key', ({ email }) => email.toLowerCase() || undefined)
 * ```
 */
export function unique<A extends object>(type: AggregateType<A>, constraint: string, value: Unique<A>['value']): Unique {
  return { type, constraint, value } as unknown as Unique;
}

/** An event as it is kept, with the columns beside it. */
export interface KeptEvent {
  readonly schema: DescMessage;
  readonly stored: StoredEvent;
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly aggregateVersion: number;
  readonly commandId: string;
  readonly occurredAt: Date;
}

interface Row {
  /** The aggregate as it was stored; what is handed out are copies. */
  readonly aggregate: object;
  /** How often the row was written. */
  readonly writes: number;
}

/** Another aggregate holds a value that is unique, and its type names no error for that. */
export class UniqueViolation extends Error {
  constructor(constraint: string) {
    super(`duplicate key value violates unique constraint "${constraint}"`);
    this.name = 'UniqueViolation';
  }
}

/** Aggregates and their events in memory: what a test has in the place of PostgreSQL. Units of work read it and write it. */
export class MemoryStore {
  readonly #uniques: readonly Unique[];
  readonly #rows = new Map<string, Map<string, Row>>();
  readonly #tables = new Map<string, Map<string, object>>();
  #events: KeptEvent[] = [];
  /** How often aggregates of a type were written. */
  readonly #writes = new Map<string, number>();

  constructor(uniques: readonly Unique[] = []) {
    this.#uniques = uniques;
  }

  /** A copy of an aggregate, as made of its row, with the number of its writes. */
  load<A extends object>(type: AggregateType<A>, id: string): { aggregate: A; writes: number } | undefined {
    const row = this.#rowsOf(type).get(id.toLowerCase());
    return row && { aggregate: deepCopy(row.aggregate) as A, writes: row.writes };
  }

  /** Copies of all aggregates of a type. */
  all<A extends object>(type: AggregateType<A>): A[] {
    return [...this.#rowsOf(type).values()].map(({ aggregate }) => deepCopy(aggregate) as A);
  }

  writesOf({ name }: { readonly name: string }): number {
    return this.#writes.get(name) ?? 0;
  }

  /** Keeps an aggregate. Throws what the violation of a unique value stands for. */
  put<A extends object>(type: AggregateType<A>, aggregate: A): void {
    const id = type.id(aggregate).toLowerCase();
    for (const { type: ofType, constraint, value } of this.#uniques) {
      if (ofType.name !== type.name) continue;
      const own = value(aggregate);
      const isTaken = [...this.#rowsOf(type)].some(
        ([other, row]) => other !== id && own !== undefined && value(row.aggregate) === own,
      );
      if (isTaken) throw type.violation(constraint, aggregate) ?? new UniqueViolation(constraint);
    }
    const writes = (this.#rowsOf(type).get(id)?.writes ?? 0) + 1;
    this.#rowsOf(type).set(id, { aggregate: stored(type, aggregate), writes });
    this.#writes.set(type.name, this.writesOf(type) + 1);
  }

  /** Keeps events of an aggregate; those of one that is to be forgotten lose what is personal in them. */
  append<A extends object>(
    type: AggregateType<A>,
    aggregate: A,
    messages: readonly EventMessage[],
    origin: { readonly commandId: string; readonly occurredAt: Date },
  ): void {
    const aggregateId = type.id(aggregate);
    const beside = { aggregateType: type.name, aggregateId, aggregateVersion: type.version(aggregate), ...origin };
    this.#events.push(...messages.map((message) => ({ schema: message.schema, stored: toStoredEvent(message), ...beside })));
    if (!type.erasesPersonalData(aggregate)) return;
    this.#events = this.#events.map((event) =>
      event.aggregateId === aggregateId ? { ...event, stored: { ...event.stored, personal: null } } : event,
    );
  }

  /** Rows that are no aggregates, by their keys. */
  table(name: string): Map<string, object> {
    let table = this.#tables.get(name);
    if (!table) {
      table = new Map();
      this.#tables.set(name, table);
    }
    return table;
  }

  /** All events, in the order in which they were committed. */
  get events(): readonly KeptEvent[] {
    return this.#events;
  }

  #rowsOf({ name }: { readonly name: string }): Map<string, Row> {
    let rows = this.#rows.get(name);
    if (!rows) {
      rows = new Map();
      this.#rows.set(name, rows);
    }
    return rows;
  }
}

/** An event as tests write it. */
export function plainOf({ schema, stored }: Pick<KeptEvent, 'schema' | 'stored'>): PlainEvent {
  // Protobuf merges concatenated messages: see `toStoredEvent`.
  const bytes = Buffer.concat([stored.payload, stored.personal ?? Buffer.alloc(0)]);
  return plainEvent(schema, fromBinary(schema, bytes));
}

/** What the mapping stores of an aggregate, by the names of its properties. */
export function stateOf<A extends object>(type: AggregateType<A>, aggregate: A): Record<string, unknown> {
  const { properties } = type.mapping.meta;
  return Object.fromEntries(Object.entries(stored(type, aggregate)).filter(([name]) => name in properties));
}

/** A copy of an aggregate without what the mapping does not store, such as its new events. */
function stored<A extends object>(type: AggregateType<A>, aggregate: A): A {
  const copy = deepCopy(aggregate);
  for (const name of Object.keys(copy)) if (!(name in type.mapping.meta.properties)) Reflect.deleteProperty(copy, name);
  return copy;
}
