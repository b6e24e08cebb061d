import { createContextKey } from '@connectrpc/connect';
import { ChangeSetType, type EntityManager } from '@mikro-orm/core';
import type pg from 'pg';
import type { Cancellation } from '../../cqrs/cancellation.ts';
import { Conflict } from '../../cqrs/errors.ts';
import { cancellableRows } from '../cancellable-query.ts';
import type { AggregateSql, EventParameters, Statement } from './aggregate-sql.ts';
import type { AggregateType } from './aggregate-type.ts';
import { toStoredEvent } from './stored-event.ts';
import { WriteTransaction } from './write-transaction.ts';

/** What every event of a command has in common. */
export interface EventOrigin {
  readonly commandId: string;
  readonly occurredAt: Date;
  readonly traceparent: string;
  readonly newId: () => string;
}

interface Tracked {
  readonly type: AggregateType<object>;
  readonly aggregate: object;
}

/** Drops what the stored events of an aggregate hold of personal data. Payload, order and type of the events stay. */
const ERASE_PERSONAL_DATA = 'update cqrs.event set personal = null where aggregate_id = $1 and personal is not null';

/**
 * One attempt of a command: one transaction, begun when a repository first needs it. MikroORM makes aggregates of rows and finds what
 * changed in them; `commit` writes that, the events and the inline read models in one statement.
 *
 * At most one aggregate may change, because that is what optimistic locking protects.
 */
export class UnitOfWork {
  readonly #pool: pg.Pool;
  readonly #manager: EntityManager;
  readonly #sql: (type: AggregateType<object>) => AggregateSql;
  readonly #origin: EventOrigin;
  readonly #cancellation: Cancellation;
  readonly #attempt: number;
  readonly #tracked: Tracked[] = [];
  #transaction: Promise<WriteTransaction> | undefined;

  constructor(parts: {
    pool: pg.Pool;
    manager: EntityManager;
    sql: (type: AggregateType<object>) => AggregateSql;
    origin: EventOrigin;
    cancellation: Cancellation;
    attempt: number;
  }) {
    this.#pool = parts.pool;
    this.#manager = parts.manager;
    this.#sql = parts.sql;
    this.#origin = parts.origin;
    this.#cancellation = parts.cancellation;
    this.#attempt = parts.attempt;
  }

  /** Loads an aggregate by its id. What it records is stored at `commit`. */
  async find<A extends object>(type: AggregateType<A>, id: string): Promise<A | undefined> {
    const { select, selectForUpdate } = this.#sql(type);
    // Whoever lost once takes the row's lock before it decides again, and cannot lose the row a second time.
    const [row] = await this.query(this.#attempt === 1 ? select : selectForUpdate, [id]);
    if (!row) return undefined;
    const aggregate = this.#manager.map(type.mapping, row) as A;
    this.#tracked.push({ type, aggregate });
    return aggregate;
  }

  /** Takes in a new aggregate. */
  add<A extends object>(type: AggregateType<A>, aggregate: A): void {
    this.#manager.persist(aggregate);
    this.#tracked.push({ type, aggregate });
  }

  /** Rows of a statement inside the transaction. */
  async query<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<Row[]> {
    this.#transaction ??= WriteTransaction.begin(this.#pool, this.#cancellation);
    const transaction = await this.#transaction;
    const { rows } = await transaction.query<Row>(text, values);
    return rows;
  }

  /** Rows of a single statement before and outside the transaction, which then need not be held open while the caller thinks. */
  queryOutside<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<Row[]> {
    return cancellableRows<Row>(this.#pool, { text, values }, this.#cancellation);
  }

  /** Writes and commits. Throws Conflict when another command was faster, and what a violated unique constraint stands for. */
  async commit(): Promise<void> {
    const changed = this.#tracked.filter(({ type, aggregate }) => type.events(aggregate).length > 0);
    if (changed.length > 1) throw new Error('a command changed more than one aggregate');
    for (const { type, aggregate } of changed) await this.#write(type, aggregate);

    if (this.#cancellation.reason) throw this.#cancellation.reason;
    const transaction = await this.#transaction;
    this.#transaction = undefined;
    await transaction?.commit();
  }

  /** Forgets what was done. Does nothing after `commit`. */
  async rollback(): Promise<void> {
    const transaction = await this.#transaction?.catch(() => undefined);
    this.#transaction = undefined;
    await transaction?.rollback();
  }

  async #write(type: AggregateType<object>, aggregate: object): Promise<void> {
    const { text, values } = this.#statement(type, aggregate);
    try {
      const [result] = await this.query<{ written: number }>(text, values);
      if (result?.written !== 1) throw new Conflict();
    } catch (error) {
      const constraint = violatedConstraint(error);
      throw (constraint && type.violation(constraint, aggregate)) || error;
    }
    if (type.erasesPersonalData(aggregate)) await this.query(ERASE_PERSONAL_DATA, [type.id(aggregate)]);
  }

  #statement(type: AggregateType<object>, aggregate: object): Statement {
    const sql = this.#sql(type);
    const events = this.#eventParameters(type, aggregate);
    const changes = this.#manager.getUnitOfWork();
    changes.computeChangeSets();
    const change = changes.getChangeSets().find(({ entity }) => entity === aggregate);
    const properties = (change?.payload ?? {}) as Record<string, unknown>;
    if (change?.type === ChangeSetType.CREATE) return sql.insert(properties, events);
    return sql.update({ id: type.id(aggregate), writes: sql.writesOf(aggregate), properties }, events);
  }

  #eventParameters(type: AggregateType<object>, aggregate: object): EventParameters {
    const { commandId, traceparent, occurredAt, newId } = this.#origin;
    const events = type.events(aggregate).map(toStoredEvent);
    return [
      type.name,
      type.version(aggregate),
      commandId,
      traceparent,
      occurredAt.toISOString(),
      events.map(newId),
      events.map((event) => event.type),
      events.map((event) => event.payload),
      events.map((event) => event.personal),
    ];
  }
}

function violatedConstraint(error: unknown): string | undefined {
  return error instanceof Error && 'constraint' in error && typeof error.constraint === 'string' ? error.constraint : undefined;
}

/** The unit of work of the command under way. */
export const unitOfWorkKey = createContextKey<UnitOfWork | undefined>(undefined, { description: 'unit of work' });
