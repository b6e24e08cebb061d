import type pg from 'pg';
import type { Cancellation } from '../../bus/cancellation.ts';
import { cancellableQuery } from '../cancellable-query.ts';
import { type Committed, commit } from '../commit-query.ts';
import { streamOf } from '../pg-internals.ts';
import { leavesConnectionUsable } from '../sql-errors.ts';
import type { Statement } from './aggregate-sql.ts';
import type { CommittedState } from './committed-state.ts';

/** The one transaction of a command, on a connection of its own until it ends. */
export class WriteTransaction {
  readonly #client: pg.PoolClient;
  readonly #cancellation: Cancellation;
  /** Settles with BEGIN, which travels together with the first statement; undefined until there is one. */
  #begun: Promise<unknown> | undefined;
  /** A statement failed in a way after which the session would fail again: on a primary that was demoted, above all. */
  #isSpent = false;

  private constructor(client: pg.PoolClient, cancellation: Cancellation) {
    this.#client = client;
    this.#cancellation = cancellation;
  }

  /** The pool's connections have to be pipelined. */
  static async begin(pool: pg.Pool, cancellation: Cancellation): Promise<WriteTransaction> {
    return new WriteTransaction(await pool.connect(), cancellation);
  }

  async query<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<pg.QueryResult<Row>> {
    const [answer] = await this.#together(() => [this.#send<Row>(text, values), this.#begun]);
    return answer;
  }

  /** Sends another statement before it, in the same write. Returns the answers to both. */
  async queryBehind<Row extends pg.QueryResultRow>(
    first: Statement,
    text: string,
    values: readonly unknown[],
  ): Promise<readonly [pg.QueryResult, pg.QueryResult<Row>]> {
    const [before, answer] = await this.#together(() => [
      this.#send(first.text, first.values),
      this.#send<Row>(text, values),
      this.#begun,
    ]);
    return [before, answer];
  }

  /**
   * Sends the last statements and COMMIT together; when one fails, PostgreSQL rolls back instead of committing. COMMIT ignores
   * cancellation: one that is stopped half-way may stand all the same. Behind it, in the same write, goes the question what the database has
   * then: whatever becomes of that, the commit stands.
   */
  async queryAndCommit(statements: readonly Statement[]): Promise<CommittedState> {
    const [answers, committed] = await this.#together(() => {
      const sent = statements.map(({ text, values }) => this.#send<StoredRow>(text, values));
      return [Promise.allSettled([...sent, this.#begun]), commit(this.#client).catch(asError)] as const;
    });
    const failed = answers.find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') {
      // With the rollback that COMMIT has come to, the connection is free; one that is lost is not.
      this.#client.release(this.#isSpent || Error.isError(committed) || isLost(committed));
      throw failed.reason;
    }
    const place = this.#end(committed);
    return Error.isError(place) ? place : { ...place, position: newestEvent(answers) };
  }

  #send<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<pg.QueryResult<Row>> {
    this.#begun ??= this.#client.query('begin');
    return cancellableQuery<Row>(this.#client, { text, values }, this.#cancellation).catch((error: unknown) => {
      this.#isSpent ||= this.#cancellation.reason === undefined && !leavesConnectionUsable(error);
      throw error;
    });
  }

  /** What is sent inside goes out in one write. */
  #together<const T extends readonly unknown[]>(send: () => T): Promise<{ -readonly [Index in keyof T]: Awaited<T[Index]> }> {
    const stream = streamOf(this.#client);
    stream.cork();
    try {
      return Promise.all(send());
    } finally {
      stream.uncork();
    }
  }

  #end(committed: Committed | Error): Committed['place'] {
    this.#client.release(this.#isSpent || Error.isError(committed) || isLost(committed));
    if (Error.isError(committed)) throw committed;
    // PostgreSQL answers so, without an error, when a statement of the transaction has failed.
    if (committed.command === 'ROLLBACK') throw new Error('the transaction was rolled back instead of committed');
    return committed.place;
  }

  /** Never fails: a connection that cannot roll back is closed, which does. */
  async rollback(): Promise<void> {
    try {
      await this.#client.query('rollback');
      this.#client.release(this.#isSpent);
    } catch {
      this.#client.release(true);
    }
  }
}

const asError = (error: unknown): Error => (Error.isError(error) ? error : new Error(String(error)));

/** Whether the session failed behind the commit in a way after which it would fail again. */
const isLost = ({ place }: Committed): boolean => Error.isError(place) && !leavesConnectionUsable(place);

/** What is answered of a statement that stores events. */
interface StoredRow {
  /** Of the newest one, or of each. */
  readonly position?: string | null;
}

/** The position of the newest event that the statements stored; 0 when they stored none. */
function newestEvent(answers: readonly PromiseSettledResult<pg.QueryResult<StoredRow> | unknown>[]): bigint {
  let newest = 0n;
  for (const answer of answers) {
    if (answer.status !== 'fulfilled') continue;
    for (const { position } of (answer.value as pg.QueryResult<StoredRow>).rows) {
      const stored = BigInt(position ?? 0);
      if (stored > newest) newest = stored;
    }
  }
  return newest;
}
