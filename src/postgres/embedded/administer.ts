import pg from 'pg';
import type { ConnectionSettings } from './connection-settings.ts';

/** Does work on one connection of its own. Statements of administration: no pool, nothing prepared. */
export async function administer<T>(connection: ConnectionSettings, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ ...connection, connectionTimeoutMillis: 5_000, application_name: 'bicameral embedded cluster' });
  // The query under way rejects when the connection breaks; without a listener the event would end the process.
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}
