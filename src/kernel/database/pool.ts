import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';
import { ATTRIBUTE } from '../telemetry/attributes.ts';
import { beginSpan, inSpan } from '../telemetry/spans.ts';
import { type Connection, SESSION, sessionName, withSettings } from './connection.ts';
import { NamedStatementClient, type StatementMeter } from './named-statement-client.ts';
import { watchSilence } from './silence-watch.ts';
import { DatabaseSilent, NotConnected } from './sql-errors.ts';

/** All workers together open so many times as many connections as a process alone. */
const ALL_TO_ONE = 2.4;
/** Connections that look-ups share: of one process, and of all workers together. */
const LOOK_UPS = 4;
const LOOK_UPS_OF_ALL = 8;
/** While a projection is made anew: one instance does that at a time. */
export const REBUILD_CONNECTIONS = 2;
/** How long a call may wait for a free connection, in milliseconds. */
const CONNECTION_TIMEOUT = 5_000;
/** How many calls may wait for a free connection, of one pool: half of what an instance has in flight, so that the rest goes on. */
const MOST_WAITING = 64;
/** A statement may not outlive the longest call by much, in milliseconds: what is left when a cancellation is lost. */
const STATEMENT_TIMEOUT = 60_000;
/** How long a connection may be silent then, in milliseconds: the server's own limit did not come through. */
const LONGEST_SILENCE = STATEMENT_TIMEOUT + 5_000;
/** When a connection has been idle for so long, the operating system asks whether the other end is there, in milliseconds. */
const KEEP_ALIVE = 10_000;
/** A connection is replaced after this time at the latest, in milliseconds, and after half of it at the soonest. */
const LIFETIME = 30 * 60_000;
/**
 * What sessions that only read have besides: their statements are short, and find what they want by an index. So a table is read as a whole only where no index
 * serves, and no plan begins with the start of helpers or with a compiler (PostgreSQL manual 19.7).
 */
export const READS: Readonly<Record<string, string>> = {
  default_transaction_read_only: 'on',
  enable_seqscan: 'off',
  max_parallel_workers_per_gather: '0',
  jit: 'off',
};
/** How long connections may take to be closed in order, in milliseconds. */
const FAREWELL = 1_000;

/** How many connections to one database a process uses for one kind of calls. */
export interface PoolSizes {
  /** Of commands, and of queries. */
  readonly calls: number;
  readonly lookUps: number;
  /** Of the batches of processors. */
  readonly batches: number;
}

/**
 * Sizes for each of `workers` processes, of which one alone would have `connections` for its commands. With 10, up to seven of them stay below
 * the 100 connections that PostgreSQL takes by default: commands, queries, look-ups, batches of processors, records, the sealer, the sequencer
 * and a look at its health are 30 for one process and 128 for 16, and 2 more while a projection is rebuilt.
 */
export function poolSizes(workers: number, connections: number): PoolSizes {
  return {
    calls: Math.max(1, Math.min(connections, Math.floor((connections * ALL_TO_ONE) / workers))),
    lookUps: Math.max(1, Math.min(LOOK_UPS, connections, Math.floor(LOOK_UPS_OF_ALL / workers))),
    batches: workers === 1 ? 2 : 1,
  };
}

/** Connections to the primary of all processes together: those of `poolSizes`, of records, the sealer, the sequencer, a look at its health and a rebuild. */
export function mostConnections(workers: number, connections: number): number {
  const { calls, lookUps, batches } = poolSizes(workers, connections);
  return workers * (2 * calls + lookUps + batches + 4) + REBUILD_CONNECTIONS;
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
  /** Statements may take as long as they take. */
  readonly unlimited?: boolean;
  /** After this time at the latest a connection is replaced, in milliseconds. Default half an hour. */
  readonly lifetimeMs?: number | undefined;
}

/** The span of a call that waits until a connection is opened, or comes free. */
const WAIT = 'wait for a connection';
/** How much a pool has to do now: connections, and calls that wait for one. */
export interface PoolLoad {
  readonly name: string;
  readonly used: number;
  readonly idle: number;
  readonly waiting: number;
  readonly limit: number;
}

/** Told what a pool does. */
export interface PoolMeter {
  /** How long a call waited for the connection that it has now. */
  readonly waited: (seconds: number) => void;
  readonly statement: StatementMeter;
}

type Connected = (error: Error | undefined, client: pg.PoolClient | undefined, done: (release?: unknown) => void) => void;

/**
 * A pool of connections that survives the loss of any of them, and lets a bounded number of calls wait for one.
 *
 * No connection stays for ever: one that is silent where an answer is due is cut off (`watchSilence`), and each is replaced after a
 * time, so that a pool finds its way back after a switchover that moved a name or an address.
 */
export class ConnectionPool extends pg.Pool {
  readonly #open = new Set<NamedStatementClient>();
  readonly #inUse = new WeakSet<NamedStatementClient>();
  readonly #retired = new WeakSet<NamedStatementClient>();
  readonly #name: string;
  readonly #session: string;
  readonly #maxWaiting: number;
  readonly #watch: { readonly stop: () => void };
  #meter: PoolMeter | undefined;

  constructor({ name, maxWaiting, lifetimeMs, longestMs, connection, ...config }: pg.PoolConfig & OwnSettings) {
    const session = sessionName(connection, name);
    super({ ...connection, ...config, application_name: session });
    this.#name = name;
    this.#session = session;
    this.#maxWaiting = maxWaiting;
    this.#watch = watchSilence({ connection, clients: () => this.#open, longestMs });
    // A connection that breaks is dropped by the pool and its statement rejects; without listeners the event would end the process.
    this.on('error', () => {});
    this.on('connect', (pooled) => {
      const client = asOurs(pooled);
      this.#open.add(client);
      client.meter = this.#meter?.statement;
      // Apart from one another, so that they are not all opened anew at once.
      const aged = setTimeout(() => this.#retire(client), lifetimeMs * (0.5 + Math.random() / 2)).unref();
      client.on('error', () => {});
      client.once('end', () => {
        clearTimeout(aged);
        this.#open.delete(client);
      });
    });
    this.on('acquire', (client) => this.#inUse.add(asOurs(client)));
    this.on('release', (_, pooled) => {
      const client = asOurs(pooled);
      this.#inUse.delete(client);
      // The pool sees that it is ending, and drops it.
      if (this.#retired.has(client)) void client.end();
    });
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: Connected): void;
  override connect(callback?: Connected): Promise<pg.PoolClient> | undefined {
    const full =
      this.waitingCount - this.idleCount >= this.#maxWaiting && new Error('too many calls are waiting for a connection');
    const began = performance.now();
    const waited = (): void => this.#meter?.waited((performance.now() - began) / 1000);
    const isFree = this.idleCount > this.waitingCount;
    const wait = { attributes: { [ATTRIBUTE.dbPool]: this.#session } };
    if (!callback) {
      if (full) return Promise.reject(full);
      const connecting = (): Promise<pg.PoolClient> =>
        super.connect().then((client) => {
          waited();
          return client;
        }, refuse);
      return isFree ? connecting() : inSpan(WAIT, wait, connecting);
    }
    if (full) {
      callback(full, undefined, () => {});
      return undefined;
    }
    const waiting = isFree ? undefined : beginSpan(WAIT, wait);
    // Bound to this call: the pool calls it as part of the one that gives the connection back.
    const connected = AsyncLocalStorage.bind<Connected>((error, client, done) => {
      waiting?.end(error);
      if (!error) waited();
      callback(error && refusal(error), client, done);
    });
    super.connect(connected);
    return undefined;
  }

  /** Has waits and statements told from now on. */
  measure(meter: PoolMeter): void {
    this.#meter = meter;
    for (const client of this.#open) client.meter = meter.statement;
  }

  get load(): PoolLoad {
    const { totalCount, idleCount, waitingCount, options } = this;
    return { name: this.#name, used: totalCount - idleCount, idle: idleCount, waiting: waitingCount, limit: options.max };
  }

  /** Whether whoever holds this connection should give it back, as soon as it can. */
  isRetired(client: pg.PoolClient): boolean {
    return this.#retired.has(asOurs(client));
  }

  /** Replaces every connection: the idle ones at once, the others when they are given back. For a server that is not what it was. */
  renew(): void {
    for (const client of this.#open) this.#retire(client);
  }

  /** Breaks every open connection, in use or not: what waits on one fails at once. For a server that neither answers nor fails. */
  cut(): void {
    for (const client of this.#open) client.cutOff(new DatabaseSilent());
  }

  /** Takes no more calls, and closes the connections in order; after a second by force, because a server that hangs never answers. */
  async close(): Promise<void> {
    const late = setInterval(() => this.cut(), FAREWELL);
    await this.end();
    clearInterval(late);
    this.#watch.stop();
  }

  #retire(client: NamedStatementClient): void {
    this.#retired.add(client);
    if (!this.#inUse.has(client)) client.cutOff();
  }
}

interface OwnSettings {
  readonly name: string;
  readonly connection: Connection;
  readonly maxWaiting: number;
  readonly lifetimeMs: number;
  readonly longestMs: number;
}

/** What the pool's `Client` makes, as its types do not know. */
const asOurs = (client: pg.PoolClient): NamedStatementClient => client as unknown as NamedStatementClient;

/** Says apart that no connection could be opened, and that none came free. */
const refusal = (error: Error): Error =>
  /^timeout exceeded when trying to connect/.test(error.message) ? error : new NotConnected(error);

function refuse(error: Error): never {
  throw refusal(error);
}

export function createPool(connection: Connection, settings: PoolSettings): ConnectionPool {
  const session = withSettings(connection, { ...SESSION, ...(settings.readOnly ? READS : {}) });
  return new ConnectionPool({
    connection: session,
    name: settings.name,
    Client: NamedStatementClient,
    pipeline: settings.pipeline ?? false,
    max: settings.max,
    maxWaiting: settings.maxWaiting ?? MOST_WAITING,
    lifetimeMs: settings.lifetimeMs ?? LIFETIME,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE,
    connectionTimeoutMillis: settings.connectionTimeoutMs ?? CONNECTION_TIMEOUT,
    statement_timeout: settings.unlimited ? 0 : STATEMENT_TIMEOUT,
    longestMs: settings.unlimited ? Number.POSITIVE_INFINITY : LONGEST_SILENCE,
    idle_in_transaction_session_timeout: STATEMENT_TIMEOUT,
    ...(settings.types ? { types: settings.types } : {}),
  });
}
