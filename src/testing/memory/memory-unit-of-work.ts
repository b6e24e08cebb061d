import { isDeepStrictEqual } from 'node:util';
import { Conflict } from '../../kernel/bus/errors.ts';
import type { AggregateType } from '../../kernel/database/write/aggregate-type.ts';
import { ChangeWithoutEvent, UndeclaredChange } from '../../kernel/database/write/refused-changes.ts';
import { type MemoryStore, stateOf } from './memory-store.ts';
import { MemoryTable } from './memory-table.ts';

interface Tracked {
  readonly type: AggregateType<object>;
  readonly aggregate: object;
  /** Undefined for a new aggregate. */
  readonly loaded: { readonly writes: number; readonly state: Readonly<Record<string, unknown>> } | undefined;
}

interface Origin {
  readonly commandId: string;
  readonly occurredAt: Date;
  readonly method: string;
  /** Of a command that may change several aggregates: which. */
  readonly changes?: readonly string[];
}

/**
 * A repository asked the database in memory by SQL.
 *
 * ```ts
 * // By `all` in memory, where PostgreSQL has an index.
 * const holder = (await work.all(UserType)).find((user) => user.email === email);
 * ```
 */
export class NoSqlInMemory extends Error {
  constructor(text: string) {
    super(
      `there is no SQL in memory. Give \`inMemory\` a \`commandContext\` whose repositories answer this by \`work.all(type)\`, or test the command on PostgreSQL:\n${text}`,
    );
    this.name = 'NoSqlInMemory';
  }
}

/**
 * One try of a command in memory, with the promises of the unit of work on PostgreSQL: all that it does is kept at its commit or not at
 * all, and a command that was overtaken fails with Conflict and is tried again. Its repositories are written with `find`, `add` and `all`.
 */
export class MemoryUnitOfWork {
  readonly #store: MemoryStore;
  readonly #origin: Origin;
  readonly #tracked = new Map<string, Tracked>();
  /** How often aggregates of a type had been written when all of them were read, by the type's name. */
  readonly #readAt = new Map<string, number>();
  readonly #tables = new Map<string, MemoryTable<object>>();

  constructor(store: MemoryStore, origin: Origin) {
    this.#store = store;
    this.#origin = origin;
  }

  /** Loads an aggregate by its id, in either case. */
  async find<A extends object>(type: AggregateType<A>, id: string): Promise<A | undefined> {
    const known = this.#tracked.get(keyOf(type, id));
    if (known) return known.aggregate as A;
    const found = this.#store.load(type, id);
    if (!found) return undefined;
    const { aggregate, writes } = found;
    this.#track(type, aggregate, { writes, state: stateOf(type, aggregate) });
    return aggregate;
  }

  /** Takes in a new aggregate. */
  add<A extends object>(type: AggregateType<A>, aggregate: A): void {
    this.#track(type, aggregate, undefined);
  }

  /**
   * Copies of all aggregates of a type, to look for some of them. What is read `forUpdate` is as if locked: when any of them is written
   * before this command commits, it is tried again.
   */
  async all<A extends object>(type: AggregateType<A>, { forUpdate = false } = {}): Promise<readonly A[]> {
    const writes = this.#store.writesOf(type);
    if (forUpdate && !this.#readAt.has(type.name)) this.#readAt.set(type.name, writes);
    return this.#store.all(type);
  }

  /** Rows of a kind that are no aggregates. */
  table<Row extends object>(name: string): MemoryTable<Row> {
    let table = this.#tables.get(name);
    if (!table) {
      table = new MemoryTable(this.#store.table(name));
      this.#tables.set(name, table);
    }
    return table as unknown as MemoryTable<Row>;
  }

  async query(text: string): Promise<never> {
    throw new NoSqlInMemory(text);
  }

  async queryOutside(text: string): Promise<never> {
    throw new NoSqlInMemory(text);
  }

  /** The aggregate that the command changed, else the first one it loaded. */
  get target(): object | undefined {
    return (this.#changed[0] ?? [...this.#tracked.values()][0])?.aggregate;
  }

  /** Keeps what was done, all of it at once. Throws Conflict, ChangeWithoutEvent, and what a violated unique value stands for. */
  commit(): void {
    const changed = this.#changed;
    this.#refuseUndeclared(changed);
    for (const tracked of this.#tracked.values()) if (!changed.includes(tracked)) this.#refuseChange(tracked);
    for (const [name, writes] of this.#readAt) if (this.#store.writesOf({ name }) !== writes) throw new Conflict();
    for (const table of this.#tables.values()) table.check();
    for (const tracked of changed) this.#checkOvertaken(tracked);
    for (const tracked of changed) this.#keep(tracked);
    for (const table of this.#tables.values()) table.commit();
  }

  #refuseUndeclared(changed: readonly Tracked[]): void {
    const { method, changes = [] } = this.#origin;
    if (changed.length < 2 || changed.every(({ type }) => changes.includes(type.name))) return;
    throw new UndeclaredChange(
      method,
      changed.map(({ type, aggregate }) => ({ aggregateType: type.name, aggregateId: type.id(aggregate) })),
    );
  }

  #checkOvertaken({ type, aggregate, loaded }: Tracked): void {
    const stored = this.#store.load(type, type.id(aggregate));
    if (loaded && stored?.writes !== loaded.writes) throw new Conflict();
    if (!loaded && stored) throw new Error(`there is a ${type.name} ${type.id(aggregate)} already`);
  }

  #keep({ type, aggregate }: Tracked): void {
    this.#store.put(type, aggregate);
    this.#store.append(type, aggregate, type.events(aggregate), this.#origin);
  }

  #refuseChange({ type, aggregate, loaded }: Tracked): void {
    const now = stateOf(type, aggregate);
    const properties = Object.keys(now).filter((name) => !isDeepStrictEqual(now[name], loaded?.state[name]));
    if (properties.length === 0) return;
    throw new ChangeWithoutEvent({ method: this.#origin.method, of: `${type.name} ${type.id(aggregate)}`, properties });
  }

  get #changed(): Tracked[] {
    return [...this.#tracked.values()].filter(({ type, aggregate }) => type.events(aggregate).length > 0);
  }

  #track<A extends object>(type: AggregateType<A>, aggregate: A, loaded: Tracked['loaded']): void {
    this.#tracked.set(keyOf(type, type.id(aggregate)), { type: type as unknown as AggregateType<object>, aggregate, loaded });
  }
}

const keyOf = ({ name }: { readonly name: string }, id: string): string => `${name} ${id.toLowerCase()}`;
