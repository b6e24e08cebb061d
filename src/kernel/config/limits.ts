import { parseRates, type RateOverrides } from '../database/limits/rates.ts';
import { EDGE_LIMITS, type EdgeLimits } from '../doors/edge/edge-limits.ts';
import type { SettingsReader } from '../settings.ts';

/** What one instance takes on, and how often one caller may call. */
export interface Limits {
  /** Unary calls. */
  readonly commandsInFlight: number;
  readonly queriesInFlight: number;
  readonly streams: number;
  /** Connections to one database for commands, and for queries, of a process alone: see `poolSizes`. */
  readonly databaseConnections: number;
  /** How long a command may wait for a connection to the database, in milliseconds. */
  readonly databaseWaitMs: number;
  readonly rates: RateOverrides;
  /** Who counts: each instance for itself, or all together. */
  readonly rateStore: 'memory' | 'postgres';
  /** What callers are granted before there is a call. */
  readonly edge: EdgeLimits;
}

export const DEFAULT_LIMITS: Limits = {
  commandsInFlight: 128,
  queriesInFlight: 80,
  streams: 1000,
  databaseConnections: 10,
  databaseWaitMs: 1000,
  rates: new Map(),
  rateStore: 'memory',
  edge: EDGE_LIMITS,
};

const MEGABYTE = 1024 * 1024;

export function readLimits({ text, checked, count, problem }: SettingsReader): Limits {
  const rates = parseRates(text('RATE_LIMITS') ?? '');
  if (!rates)
    problem('RATE_LIMITS has to look like sign-up=10/60s,write=off: a class, and its calls in a period of seconds, or off');
  const stores = ['memory', 'postgres'];
  const store = checked(
    'RATE_LIMIT_STORE',
    DEFAULT_LIMITS.rateStore,
    (value) => stores.includes(value),
    'has to be memory or postgres',
  );
  return {
    commandsInFlight: count('LIMIT_COMMANDS_IN_FLIGHT', DEFAULT_LIMITS.commandsInFlight),
    queriesInFlight: count('LIMIT_QUERIES_IN_FLIGHT', DEFAULT_LIMITS.queriesInFlight),
    streams: count('LIMIT_STREAMS', DEFAULT_LIMITS.streams),
    databaseConnections: count('LIMIT_DATABASE_CONNECTIONS', DEFAULT_LIMITS.databaseConnections),
    databaseWaitMs: count('LIMIT_DATABASE_WAIT_MS', DEFAULT_LIMITS.databaseWaitMs),
    rates: rates ?? DEFAULT_LIMITS.rates,
    rateStore: store as Limits['rateStore'],
    edge: readEdgeLimits(count),
  };
}

function readEdgeLimits(count: (name: string, fallback: number) => number): EdgeLimits {
  const milliseconds = (name: string, fallback: number): number => count(name, fallback / 1000) * 1000;
  return {
    ...EDGE_LIMITS,
    connections: count('LIMIT_CONNECTIONS', EDGE_LIMITS.connections),
    connectionsPerAddress: count('LIMIT_CONNECTIONS_PER_ADDRESS', EDGE_LIMITS.connectionsPerAddress),
    unfinishedBytes: count('LIMIT_UNFINISHED_MB', EDGE_LIMITS.unfinishedBytes / MEGABYTE) * MEGABYTE,
    requestMs: milliseconds('REQUEST_SECONDS', EDGE_LIMITS.requestMs),
    idleMs: milliseconds('CONNECTION_IDLE_SECONDS', EDGE_LIMITS.idleMs),
    ageMs: milliseconds('CONNECTION_AGE_SECONDS', EDGE_LIMITS.ageMs),
    ageGraceMs: milliseconds('CONNECTION_AGE_GRACE_SECONDS', EDGE_LIMITS.ageGraceMs),
    probeMs: milliseconds('KEEPALIVE_SECONDS', EDGE_LIMITS.probeMs),
    minPingMs: milliseconds('KEEPALIVE_MIN_PING_SECONDS', EDGE_LIMITS.minPingMs),
  };
}
