import pg from 'pg';
import type { Cancellation } from '../cqrs/cancellation.ts';

/**
 * Runs one statement on a connection of the pool and, when the call is canceled meanwhile, has the server stop it
 * (`pg_cancel_backend`, PostgreSQL manual 9.28.2). Rejects with the reason of the cancellation then.
 *
 * It settles only after the request to stop has been answered, so that a connection given back afterwards cannot have its next
 * statement stopped instead.
 */
export async function cancellableQuery<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  client: pg.PoolClient,
  statement: { readonly text: string; readonly values: readonly unknown[] },
  cancellation: Cancellation,
): Promise<pg.QueryResult<Row>> {
  if (cancellation.reason) throw cancellation.reason;
  let running = true;
  let stopping: Promise<void> | undefined;
  const forget = cancellation.onCancel(() => {
    stopping = stopStatement(pool, client, () => running);
  });
  try {
    return await client.query<Row>(statement.text, statement.values as unknown[]);
  } catch (error) {
    throw cancellation.reason ?? error;
  } finally {
    running = false;
    forget();
    if (stopping) await stopping;
  }
}

/** Uses a connection of its own, because all of the pool's may be busy. What fails here is left to the statement's time limit. */
async function stopStatement(pool: pg.Pool, client: pg.PoolClient, isRunning: () => boolean): Promise<void> {
  const { processID } = client as unknown as { processID: number };
  // The pool keeps the password where a spread does not see it.
  const control = new pg.Client({
    ...pool.options,
    password: pool.options.password,
    connectionTimeoutMillis: 2_000,
  } as pg.ClientConfig);
  control.on('error', () => {});
  try {
    await control.connect();
    if (isRunning()) await control.query('select pg_cancel_backend($1)', [processID]);
  } catch {
    return;
  } finally {
    await control.end().catch(() => {});
  }
}
