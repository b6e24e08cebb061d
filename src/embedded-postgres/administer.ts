import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { ConnectionSettings } from './connection-settings.ts';

/** How long a statement may take, in milliseconds: making a database copies files. */
const PATIENCE = 120_000;
/** How long a server may take to say goodbye, in milliseconds. */
const FAREWELL = 1_000;

/** Does work on one connection of its own. Statements of administration: no pool, nothing prepared. */
export async function administer<T>(connection: ConnectionSettings, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    ...connection,
    connectionTimeoutMillis: 5_000,
    query_timeout: PATIENCE,
    application_name: 'bicameral embedded cluster',
  });
  // The query under way rejects when the connection breaks; without a listener the event would end the process.
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    // A server that hangs never says goodbye; its connection goes with it.
    await Promise.race([client.end().catch(() => {}), delay(FAREWELL, undefined, { ref: false })]);
  }
}
