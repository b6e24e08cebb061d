import type pg from 'pg';
import type { Cancellation } from '../../cqrs/cancellation.ts';
import { cancellableQuery } from '../cancellable-query.ts';

/** The one transaction of a command, on a connection of its own until it ends. */
export class WriteTransaction {
  readonly #client: pg.PoolClient;
  readonly #cancellation: Cancellation;
  /** Settles with BEGIN, which travels together with the first statement. */
  readonly #begun: Promise<unknown>;

  private constructor(client: pg.PoolClient, cancellation: Cancellation) {
    this.#client = client;
    this.#cancellation = cancellation;
    this.#begun = client.query('begin');
    // Looked at with the first statement; until then it is nobody's failure.
    this.#begun.catch(() => {});
  }

  /** The pool's connections have to be pipelined. */
  static async begin(pool: pg.Pool, cancellation: Cancellation): Promise<WriteTransaction> {
    return new WriteTransaction(await pool.connect(), cancellation);
  }

  async query<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<pg.QueryResult<Row>> {
    const result = cancellableQuery<Row>(this.#client, { text, values }, this.#cancellation);
    const [answer] = await Promise.all([result, this.#begun]);
    return answer;
  }

  /** Ignores cancellation: a COMMIT that is stopped half-way may stand all the same. */
  async commit(): Promise<void> {
    try {
      const { command } = await this.#client.query('commit');
      // PostgreSQL answers so, without an error, when a statement of the transaction has failed.
      if (command === 'ROLLBACK') throw new Error('the transaction was rolled back instead of committed');
    } catch (error) {
      this.#client.release(true);
      throw error;
    }
    this.#client.release();
  }

  /** Never fails: a connection that cannot roll back is closed, which does. */
  async rollback(): Promise<void> {
    try {
      await this.#client.query('rollback');
      this.#client.release();
    } catch {
      this.#client.release(true);
    }
  }
}
