import type pg from 'pg';
import type { Connection } from '../connection.ts';
import { createPool } from '../pool.ts';
import { ReplicaMonitor } from './replica-monitor.ts';

/** Connections that queries share, on one instance, to each database. */
const POOL_SIZE = 10;

/** A database that queries can be answered from. `name` is `primary` or `replica-N`, as in the header `cqrs-served-by`. */
export interface ReadPool {
  readonly name: string;
  readonly pool: pg.Pool;
}

/** The side of the database that queries read: the replicas, and the primary as a role that cannot write. */
export interface ReadSide {
  readonly primary: ReadPool;
  readonly monitor: ReplicaMonitor;
  /** The primary and every replica, healthy or not. */
  readonly all: readonly ReadPool[];
  /** Where to read, best first: healthy replicas, the freshest before the others, then the primary. */
  readonly candidates: () => readonly ReadPool[];
  /** Whether queries can be answered at all. */
  readonly isAvailable: () => boolean;
  readonly close: () => Promise<void>;
}

export async function createReadSide(parts: {
  primary: Connection;
  replicas: readonly Connection[];
  onChange: (name: string, healthy: boolean) => void;
}): Promise<ReadSide> {
  const pool = (name: string, connection: Connection): ReadPool => ({
    name,
    pool: createPool(connection, { name: `queries ${name}`, max: POOL_SIZE, readOnly: true }),
  });
  const primary = pool('primary', parts.primary);
  const replicas = parts.replicas.map((connection, index) => pool(`replica-${index + 1}`, connection));
  const all = [primary, ...replicas];
  const monitor = new ReplicaMonitor({ primary, replicas, onChange: parts.onChange });
  await monitor.start();

  const freshestFirst = (one: ReadPool, other: ReadPool): number =>
    monitor.position(one.name) > monitor.position(other.name) ? -1 : 1;
  return {
    primary,
    monitor,
    all,
    candidates: () => [...replicas.filter(({ name }) => monitor.isHealthy(name)).sort(freshestFirst), primary],
    isAvailable: () => all.some(({ name }) => monitor.isHealthy(name)),
    close: async () => {
      monitor.stop();
      await Promise.all(all.map(({ pool }) => pool.end()));
    },
  };
}
