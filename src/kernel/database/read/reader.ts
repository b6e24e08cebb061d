import { createContextKey } from '@connectrpc/connect';
import type { CompiledQuery } from 'kysely';
import type { Cancellation } from '../../bus/cancellation.ts';
import { readRows } from '../cancellable-query.ts';
import type { LogPosition } from './log-position.ts';
import type { ReadPool } from './read-side.ts';

/** The largest page that shares its connection, in rows: PostgreSQL reads and sends it in less than a millisecond. */
const LARGEST_SHARED = 256;

/**
 * Runs the statements of one query on the connection that was chosen for it. It cannot write: role and session forbid it.
 *
 * ```ts
 * const row = await read.row(byId, [request.orderId]);
 * const page = await read.page(newest, 51, [51]);
 * const rows = await read.rows(totals, []);
 * ```
 */
export class Reader {
  readonly #source: ReadPool;
  readonly #cancellation: Cancellation;
  /** Itself, when it is to know where the database was. */
  readonly #taker: Reader | undefined;
  #first: LogPosition | undefined;
  #last: LogPosition | undefined;
  #isLost = false;

  /** With `locates` it knows afterwards where the database was. */
  constructor(source: ReadPool, cancellation: Cancellation, { locates = false }: { locates?: boolean } = {}) {
    this.#source = source;
    this.#cancellation = cancellation;
    this.#taker = locates ? this : undefined;
  }

  /** Where the database was at most when the last statement was answered: what was read is of no later state. Undefined when nothing was read, or the database could not say. */
  get seen(): LogPosition | undefined {
    return this.#isLost ? undefined : this.#last;
  }

  /** Whether all that was read is of one server, at or behind what `has` is true of. */
  isAllBehind(has: (position: LogPosition) => boolean): boolean {
    return !this.#isLost && (this.#first === undefined || has(this.#first));
  }

  /** Takes where the database was when it had answered a statement. */
  take(position: LogPosition | undefined): void {
    if (!position || (this.#last && this.#last.timeline !== position.timeline)) this.#isLost = true;
    else if (!this.#last || !this.#first) this.#first = this.#last = position;
    else if (position.lsn > this.#last.lsn) this.#last = position;
    else if (position.lsn < this.#first.lsn) this.#first = position;
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
    const [row] = await this.#shared(statement, parameters);
    return row;
  }

  /**
   * A page: rows of a compiled statement that finds them one after the other in an index and returns `most` of them at most. Up to 256 narrow rows share
   * their connection with others. For rows that are sorted, counted or searched for there is `rows`.
   */
  page<Row>(statement: CompiledQuery<Row>, most: number, parameters: readonly unknown[] = statement.parameters): Promise<Row[]> {
    return most > LARGEST_SHARED ? this.rows(statement, parameters) : this.#shared(statement, parameters);
  }

  /** Rows of a compiled statement on a connection of its own, however long it takes, with other parameters than it was compiled with where they are given. */
  rows<Row>(statement: CompiledQuery<Row>, parameters: readonly unknown[] = statement.parameters): Promise<Row[]> {
    const bound = { text: statement.sql, values: parameters };
    const { pool, locate } = this.#source;
    return readRows<Row & object>(pool, bound, this.#cancellation, this.#taker && { locate, taker: this.#taker });
  }

  #shared<Row>(statement: CompiledQuery<Row>, parameters: readonly unknown[]): Promise<Row[]> {
    const bound = { text: statement.sql, values: parameters };
    return this.#source.shared.rows<Row & object>(bound, this.#cancellation, this.#taker);
  }
}

/** The reader of the query under way. */
export const readerKey = createContextKey<Reader | undefined>(undefined, { description: 'reader' });
