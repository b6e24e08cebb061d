import pg from 'pg';
import { type Connection, withSettings } from './connection.ts';
import { NamedStatementClient } from './named-statement-client.ts';

/** Connections that all commands, or all queries, share: of one process, and of all workers together. */
const POOL_SIZE = 10;
const POOL_SIZE_OF_ALL = 24;
/** The same of the connections that look-ups share. */
const LOOK_UPS = 4;
const LOOK_UPS_OF_ALL = 8;
/** How long a call may wait for a free connection, in milliseconds. */
const CONNECTION_TIMEOUT = 5_000;
/** How many calls may wait for a free connection, of one pool: half of what an instance has in flight, so that the rest goes on. */
const MOST_WAITING = 64;
/** A statement may not outlive the longest call by much, in milliseconds: what is left when a cancellation is lost. */
const STATEMENT_TIMEOUT = 60_000;
/** How long a server may take to say goodbye, in milliseconds. */
const FAREWELL = 1_000;

/** How many connections to one database a process uses for one kind of calls. */
export interface PoolSizes {
  /** Of commands, and of queries. */
  readonly calls: number;
  readonly lookUps: number;
}

/**
 * Sizes for each of `workers` processes, so that all of them stay below the 100 connections that PostgreSQL takes by default: commands,
 * queries, look-ups, records, the sealer and a look at its health are 27 for one process and 96 for 16.
 */
export function poolSizes(workers: number): PoolSizes {
  return {
    calls: Math.max(1, Math.min(POOL_SIZE, Math.floor(POOL_SIZE_OF_ALL / workers))),
    lookUps: Math.max(1, Math.min(LOOK_UPS, Math.floor(LOOK_UPS_OF_ALL / workers))),
  };
}

export interface PoolSettings {
  /** What the connections are for, as the server shows it after `bicameral`. */
  readonly name: string;
  readonly max: number;
  readonly readOnly: boolean;
  /** How long a call may wait for a free connection, in milliseconds. Default 5 s. */
  readonly connectionTimeoutMs?: number | undefined;
  /** How many calls may wait for a free connection; one more fails at once. Default 64. */
  readonly maxWaiting?: number;
  /** Statements are sent without waiting for the answers of those before. */
  readonly pipeline?: boolean;
  readonly types?: pg.CustomTypesConfig;
}

type Connected = (error: Error | undefined, client: pg.PoolClient | undefined, done: (release?: unknown) => void) => void;

/** A pool of connections that survives the loss of any of them, and lets a bounded number of calls wait for one. */
export class ConnectionPool extends pg.Pool {
  readonly #open = new Set<pg.PoolClient>();
  readonly #maxWaiting: number;

  constructor({ maxWaiting, ...config }: pg.PoolConfig & { maxWaiting: number }) {
    super(config);
    this.#maxWaiting = maxWaiting;
    // A connection that breaks is dropped by the pool and its statement rejects; without listeners the event would end the process.
    this.on('error', () => {});
    this.on('connect', (client) => {
      this.#open.add(client);
      client.on('error', () => {});
      client.once('end', () => this.#open.delete(client));
    });
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: Connected): void;
  override connect(callback?: Connected): Promise<pg.PoolClient> | undefined {
    const full =
      this.waitingCount - this.idleCount >= this.#maxWaiting && new Error('too many calls are waiting for a connection');
    if (!callback) return full ? Promise.reject(full) : super.connect();
    if (full) callback(full, undefined, () => {});
    else super.connect(callback);
    return undefined;
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
    maxWaiting: settings.maxWaiting ?? MOST_WAITING,
    connectionTimeoutMillis: settings.connectionTimeoutMs ?? CONNECTION_TIMEOUT,
    statement_timeout: STATEMENT_TIMEOUT,
    idle_in_transaction_session_timeout: STATEMENT_TIMEOUT,
    ...(settings.types ? { types: settings.types } : {}),
  });
}
