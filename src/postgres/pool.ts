import pg from 'pg';
import { type Connection, withSettings } from './connection.ts';
import { NamedStatementClient } from './named-statement-client.ts';

/** Connections that all calls of one kind share: of one process, and of all workers together. */
const POOL_SIZE = 10;
const POOL_SIZE_OF_ALL = 32;
/** How long a call may wait for a free connection, in milliseconds. */
const CONNECTION_TIMEOUT = 5_000;
/** A statement may not outlive the longest call by much, in milliseconds: what is left when a cancellation is lost. */
const STATEMENT_TIMEOUT = 60_000;
/** How long a server may take to say goodbye, in milliseconds. */
const FAREWELL = 1_000;

/**
 * How many connections each of `workers` processes may use for one kind of calls, so that all of them stay below the 100 that
 * PostgreSQL takes by default: with commands, queries and a look at its health, at most 80 for 16 workers.
 */
export function poolSize(workers: number): number {
  return Math.min(POOL_SIZE, Math.floor(POOL_SIZE_OF_ALL / workers));
}

export interface PoolSettings {
  /** What the connections are for, as the server shows it after `bicameral`. */
  readonly name: string;
  readonly max: number;
  readonly readOnly: boolean;
  /** How long a call may wait for a free connection, in milliseconds. Default 5 s. */
  readonly connectionTimeoutMs?: number;
  /** Statements are sent without waiting for the answers of those before. */
  readonly pipeline?: boolean;
  readonly types?: pg.CustomTypesConfig;
}

/** A pool of connections that survives the loss of any of them. */
export class ConnectionPool extends pg.Pool {
  readonly #open = new Set<pg.PoolClient>();

  constructor(config: pg.PoolConfig) {
    super(config);
    // A connection that breaks is dropped by the pool and its statement rejects; without listeners the event would end the process.
    this.on('error', () => {});
    this.on('connect', (client) => {
      this.#open.add(client);
      client.on('error', () => {});
      client.once('end', () => this.#open.delete(client));
    });
  }

  /** Breaks every open connection, in use or not: what waits on one fails at once. For a server that neither answers nor fails. */
  cut(): void {
    for (const client of this.#open) {
      (client as unknown as { connection: { stream: NodeJS.WritableStream & { destroy(): void } } }).connection.stream.destroy();
    }
  }

  /** Takes no more calls, and closes the connections in order; after a second by force, because a server that hangs never answers. */
  async close(): Promise<void> {
    const late = setTimeout(() => this.cut(), FAREWELL);
    await this.end();
    clearTimeout(late);
  }
}

export function createPool(connection: Connection, settings: PoolSettings): ConnectionPool {
  const session = settings.readOnly ? withSettings(connection, { default_transaction_read_only: 'on' }) : connection;
  return new ConnectionPool({
    ...session,
    application_name: `bicameral ${settings.name}`,
    Client: NamedStatementClient,
    pipeline: settings.pipeline ?? false,
    max: settings.max,
    connectionTimeoutMillis: settings.connectionTimeoutMs ?? CONNECTION_TIMEOUT,
    statement_timeout: STATEMENT_TIMEOUT,
    idle_in_transaction_session_timeout: STATEMENT_TIMEOUT,
    ...(settings.types ? { types: settings.types } : {}),
  });
}
