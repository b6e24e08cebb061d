import { createContextKey } from '@connectrpc/connect';
import type { CompiledQuery } from 'kysely';
import type { Cancellation } from '../../bus/cancellation.ts';
import { readRows } from '../cancellable-query.ts';
import type { ReadPool } from './read-side.ts';

/**
 * Runs the statements of one query on the connection that was chosen for it. It cannot write: role and session forbid it.
 *
 * ```ts
 * const row = await read.row(byId, [request.orderId]);
 * const rows = await read.rows(newest, [request.pageSize]);
 * ```
 */
export class Reader {
  readonly #source: ReadPool;
  readonly #cancellation: Cancellation;

  constructor(source: ReadPool, cancellation: Cancellation) {
    this.#source = source;
    this.#cancellation = cancellation;
  }

  /** The database that is read, as in `cqrs-served-by`. */
  get name(): string {
    return this.#source.name;
  }

  /** A reader of the same database whose statements end with something else than this query. */
  endingWith(cancellation: Cancellation): Reader {
    return new Reader(this.#source, cancellation);
  }

  /** The row of a compiled statement that finds it by its key, in no time: it shares its connection with others. */
  async row<Row>(statement: CompiledQuery<Row>, parameters: readonly unknown[]): Promise<Row | undefined> {
    const bound = { text: statement.sql, values: parameters };
    const [row] = await this.#source.shared.rows<Row & object>(bound, this.#cancellation);
    return row;
  }

  /** Rows of a compiled statement, with other parameters than it was compiled with where they are given. */
  rows<Row>(statement: CompiledQuery<Row>, parameters: readonly unknown[] = statement.parameters): Promise<Row[]> {
    const bound = { text: statement.sql, values: parameters };
    return readRows<Row & object>(this.#source.pool, bound, this.#cancellation);
  }
}

/** The reader of the query under way. */
export const readerKey = createContextKey<Reader | undefined>(undefined, { description: 'reader' });
