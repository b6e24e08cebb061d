import type pg from 'pg';
import type { Cancellation } from '../bus/cancellation.ts';
import { requestCancel } from './cancel-request.ts';
import { streamOf } from './pg-internals.ts';
import type { Locate, LogPosition } from './read/log-position.ts';
import { isConnectionLost, leavesConnectionUsable } from './sql-errors.ts';

/** A statement with its parameters. */
interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/**
 * Runs one statement on a connection of a pool and, when the call is canceled meanwhile, has the server stop it. Rejects with the
 * reason of the cancellation then.
 *
 * It settles only after the request to stop has been answered, so that a connection given back afterwards cannot have its next
 * statement stopped instead. A request that gets lost leaves the statement to its time limit.
 */
export async function cancellableQuery<Row extends pg.QueryResultRow>(
  client: pg.PoolClient,
  { text, values }: Statement,
  cancellation: Cancellation,
): Promise<pg.QueryResult<Row>> {
  if (cancellation.reason) throw cancellation.reason;
  let running = true;
  let stopping: Promise<void> | undefined;
  const forget = cancellation.onCancel(() => {
    stopping = requestCancel(client, () => running);
  });
  try {
    return await client.query<Row>(text, values as unknown[]);
  } catch (error) {
    throw cancellation.reason ?? error;
  } finally {
    running = false;
    forget();
    if (stopping) await stopping;
  }
}

/** Asks where the database is, right behind a statement, and for whom. */
interface Behind {
  readonly locate: Locate;
  readonly taker: { readonly take: (position: LogPosition | undefined) => void };
}

/** Rows of a single statement on any connection of the pool, stopped when the call is canceled. */
export async function cancellableRows<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  statement: Statement,
  cancellation: Cancellation,
  behind?: Behind,
): Promise<Row[]> {
  const client = await pool.connect();
  let isUsable = false;
  let position: Promise<LogPosition | undefined> | undefined;
  try {
    // Both go out in one write.
    const stream = streamOf(client);
    stream.cork();
    const answer = cancellableQuery<Row>(client, statement, cancellation);
    position = behind?.locate(client);
    stream.uncork();
    const { rows } = await answer;
    if (position) behind?.taker.take(await position);
    isUsable = true;
    return rows;
  } catch (error) {
    isUsable = cancellation.reason !== undefined || leavesConnectionUsable(error);
    throw error;
  } finally {
    await position;
    client.release(!isUsable);
  }
}

/**
 * The same for a statement that only reads: it is sent again, once, when its connection turns out to be gone. A server that ended a
 * session that was idle is noticed no sooner.
 */
export async function readRows<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  statement: Statement,
  cancellation: Cancellation,
  behind?: Behind,
): Promise<Row[]> {
  try {
    return await cancellableRows<Row>(pool, statement, cancellation, behind);
  } catch (error) {
    if (cancellation.reason || !isConnectionLost(error)) throw error;
    return await cancellableRows<Row>(pool, statement, cancellation, behind);
  }
}
