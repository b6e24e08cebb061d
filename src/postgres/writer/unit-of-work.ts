import { createContextKey } from '@connectrpc/connect';
import { type EntityManager, type Transaction, UniqueConstraintViolationException } from '@mikro-orm/core';
import type pg from 'pg';
import type { Cancellation } from '../../cqrs/cancellation.ts';
import type { AggregateType } from './aggregate-type.ts';
import { ERASE_PERSONAL_DATA, type EventOrigin, eventStatement } from './event-statement.ts';
import { WriteTransaction } from './write-transaction.ts';

interface Tracked {
  readonly type: AggregateType<object>;
  readonly aggregate: object;
}

/**
 * One attempt of a command: one transaction, begun when a repository first needs it, in which the changed aggregate, its events and
 * its inline read models are written together at `commit`.
 *
 * At most one aggregate may change, because that is what optimistic locking by its version protects.
 */
export class UnitOfWork {
  readonly #pool: pg.Pool;
  readonly #fork: () => EntityManager;
  readonly #origin: EventOrigin;
  readonly #cancellation: Cancellation;
  #transaction: WriteTransaction | undefined;
  #manager: EntityManager | undefined;
  readonly #tracked: Tracked[] = [];

  constructor(parts: { pool: pg.Pool; fork: () => EntityManager; origin: EventOrigin; cancellation: Cancellation }) {
    this.#pool = parts.pool;
    this.#fork = parts.fork;
    this.#origin = parts.origin;
    this.#cancellation = parts.cancellation;
  }

  /** MikroORM inside the transaction, for repositories. */
  async manager(): Promise<EntityManager> {
    if (!this.#manager) {
      this.#transaction = await WriteTransaction.begin(this.#pool, this.#cancellation);
      this.#manager = this.#fork();
      this.#manager.setTransactionContext(this.#transaction as unknown as Transaction);
    }
    return this.#manager;
  }

  /** Rows of a statement inside the transaction. */
  async query<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<Row[]> {
    await this.manager();
    const { rows } = await this.#begun().query<Row>(text, values);
    return rows;
  }

  /** Rows of a single statement before and outside the transaction, which then need not be held open while the caller thinks. */
  async queryOutside<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<Row[]> {
    const { rows } = await this.#pool.query<Row>(text, values as unknown[]);
    return rows;
  }

  /** Says that an aggregate was loaded or is new: its events are stored at `commit`. */
  track<A extends object>(type: AggregateType<A>, aggregate: A): void {
    this.#tracked.push({ type: type as unknown as AggregateType<object>, aggregate });
  }

  /** Writes and commits. Throws the DomainError that a violated unique constraint stands for. */
  async commit(): Promise<void> {
    const changed = this.#tracked.filter(({ type, aggregate }) => type.events(aggregate).length > 0);
    if (changed.length > 1) throw new Error('a command changed more than one aggregate');
    for (const { type, aggregate } of changed) await this.#write(type, aggregate);

    const transaction = this.#transaction;
    this.#transaction = undefined;
    if (this.#cancellation.reason) {
      await transaction?.rollback();
      throw this.#cancellation.reason;
    }
    await transaction?.commit();
  }

  async rollback(): Promise<void> {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    await transaction?.rollback();
  }

  async #write(type: AggregateType<object>, aggregate: object): Promise<void> {
    const manager = await this.manager();
    try {
      await manager.flush();
    } catch (error) {
      throw violated(type, error) ?? error;
    }
    const { text, values } = eventStatement(type, aggregate, this.#origin);
    await this.#begun().query(text, values);
    if (type.erasesPersonalData(aggregate)) await this.#begun().query(ERASE_PERSONAL_DATA, [type.id(aggregate)]);
  }

  #begun(): WriteTransaction {
    if (!this.#transaction) throw new Error('the unit of work has ended');
    return this.#transaction;
  }
}

function violated(type: AggregateType<object>, error: unknown): Error | undefined {
  if (!(error instanceof UniqueConstraintViolationException)) return undefined;
  const { constraint } = error as unknown as { constraint?: string };
  return constraint === undefined ? undefined : type.constraints[constraint]?.();
}

/** The unit of work of the command under way. */
export const unitOfWorkKey = createContextKey<UnitOfWork | undefined>(undefined, { description: 'unit of work' });
