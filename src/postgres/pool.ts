import pg from 'pg';
import { type Connection, withSettings } from './connection.ts';
import { NamedStatementClient } from './named-statement-client.ts';

/** How long a call may wait for a free connection, in milliseconds. */
const CONNECTION_TIMEOUT = 5_000;
/** A statement may not outlive the longest call by much, in milliseconds: what is left when a cancellation is lost. */
const STATEMENT_TIMEOUT = 60_000;

/** A pool of connections that survives the loss of any of them. */
export function createPool(
  connection: Connection,
  settings: { name: string; max: number; readOnly: boolean; types?: pg.CustomTypesConfig },
): pg.Pool {
  const session = settings.readOnly ? withSettings(connection, { default_transaction_read_only: 'on' }) : connection;
  const pool = new pg.Pool({
    ...session,
    application_name: `bicameral ${settings.name}`,
    Client: NamedStatementClient,
    max: settings.max,
    connectionTimeoutMillis: CONNECTION_TIMEOUT,
    statement_timeout: STATEMENT_TIMEOUT,
    idle_in_transaction_session_timeout: STATEMENT_TIMEOUT,
    ...(settings.types ? { types: settings.types } : {}),
  });
  // A connection that breaks is dropped by the pool and its statement rejects; without listeners the event would end the process.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}
