import { checkSession } from '../check-database.ts';
import type { Connection } from '../connection.ts';
import { type ConnectionPool, createPool, type PoolSizes } from '../pool.ts';
import { askPosition, type Locate } from './log-position.ts';
import { Probe } from './probe.ts';
import { readingOrder } from './reading-order.ts';
import { ReplayWatch } from './replay-watch.ts';
import { type Lag, type OnChange, type OnTimeline, ReplicaMonitor } from './replica-monitor.ts';
import { SharedConnections } from './shared-connections.ts';

/** How long a query waits for a connection to a replica before it asks the next database, in milliseconds. */
const REPLICA_CONNECTION_TIMEOUT = 1_000;
/** A primary that does not answer within this time counts as away, in milliseconds. */
const PRIMARY_PATIENCE = 2_000;
/** The same for a replica, in milliseconds. Shorter, because there is somebody else to ask. */
const REPLICA_PATIENCE = 1_000;

/** A database that queries can be answered from. `name` is `primary` or `replica-N`, as in the header `cqrs-served-by`. */
export interface ReadPool {
  readonly name: string;
  readonly pool: ConnectionPool;
  /** For statements that take no time. */
  readonly shared: SharedConnections;
  /** Where the database is, told by one of its connections behind what was sent on that before. Undefined when it cannot say; never rejects. */
  readonly locate: Locate;
  /** Lets queries wait until a replica has what they want to see. */
  readonly replay?: ReplayWatch;
}

/** A database as this instance sees it. */
export interface DatabaseState {
  readonly name: string;
  readonly isUp: boolean;
  /** Of a replica. */
  readonly lag?: Lag;
}

/** The side of the database that queries read: the replicas, and the primary as a role that cannot write. */
export interface ReadSide {
  readonly primary: ReadPool;
  readonly monitor: ReplicaMonitor;
  /** The connection that the primary is watched by: no query can keep it busy. For short statements. */
  readonly watching: ConnectionPool;
  /** The primary and every replica, healthy or not. */
  readonly all: readonly ReadPool[];
  /** Every pool of connections to them. */
  readonly pools: readonly ConnectionPool[];
  /** Where to read, best first: healthy replicas as in `readingOrder`, then the primary. */
  readonly candidates: () => readonly ReadPool[];
  /** The primary first. */
  readonly states: () => readonly DatabaseState[];
  /** Whether queries can be answered at all. */
  readonly isAvailable: () => boolean;
  readonly close: () => Promise<void>;
}

export async function createReadSide(parts: {
  primary: Connection;
  replicas: readonly Connection[];
  /** Of each database. */
  sizes: Pick<PoolSizes, 'calls' | 'lookUps'>;
  onChange: OnChange;
  /** Called while the primary says that it is a standby: whoever has connections to it opens them anew. */
  onDemoted?: () => void;
  onTimeline?: OnTimeline;
}): Promise<ReadSide> {
  const { sizes, onDemoted = () => {} } = parts;
  const locate: Locate = (client) => askPosition(client, monitor.positions.systemIdentifierText);
  const open = (name: string, connection: Connection, limits: { connectionTimeoutMs?: number; patienceMs: number }) => {
    const { patienceMs, ...wait } = limits;
    const settings = { readOnly: true, ...wait };
    // Pipelined, so that what is asked behind a query costs no way of its own.
    const pool = createPool(connection, { name: `queries ${name}`, max: sizes.calls, pipeline: true, ...settings });
    const sharedPool = createPool(connection, { name: `look-ups ${name}`, max: sizes.lookUps, pipeline: true, ...settings });
    const shared = new SharedConnections({ pool: sharedPool, size: sizes.lookUps, apart: pool, locate });
    const probe = new Probe({ connection, name, patienceMs });
    return {
      name,
      pool,
      shared,
      locate,
      pools: [pool, sharedPool, probe.pool],
      probe,
      cut: () => {
        pool.cut();
        sharedPool.cut();
      },
      renew: () => {
        for (const one of [pool, sharedPool, probe]) one.renew();
      },
      close: async () => {
        shared.release();
        await Promise.all([pool.close(), sharedPool.close()]);
      },
    };
  };
  const primary = open('primary', parts.primary, { patienceMs: PRIMARY_PATIENCE });
  const limits = { connectionTimeoutMs: REPLICA_CONNECTION_TIMEOUT, patienceMs: REPLICA_PATIENCE };
  const replicas = parts.replicas.map((connection, index) => {
    const replica = open(`replica-${index + 1}`, connection, limits);
    const { name, probe } = replica;
    const replay = new ReplayWatch({
      standing: (seen) => monitor.positions.standing(name, seen),
      look: async (lsn) => {
        const position = await probe.position(monitor.positions.systemIdentifierText, lsn).catch(() => undefined);
        if (position) monitor.positions.answered(name, position);
      },
    });
    return { ...replica, replay };
  });
  const all = [primary, ...replicas];
  const renewAll = (): void => {
    primary.renew();
    onDemoted();
  };
  const monitor = new ReplicaMonitor({
    primary: { ...primary, renew: renewAll },
    replicas,
    onChange: parts.onChange,
    onTimeline: parts.onTimeline,
  });
  await monitor.refresh();
  const close = async (): Promise<void> => {
    // Together: a look that waits for a database that hangs is cut off.
    await Promise.all([monitor.stop(), ...all.flatMap(({ close, probe }) => [close(), probe.close()])]);
  };
  if (monitor.isHealthy(primary.name)) {
    await checkSession(primary.pool, { variable: 'DATABASE_URL', readOnly: true }).catch(async (error: unknown) => {
      await close();
      throw error;
    });
  }

  const inOrder = readingOrder(replicas, {
    isHealthy: (name) => monitor.isHealthy(name),
    staleness: (name) => monitor.staleness(name),
  });
  return {
    primary,
    monitor,
    watching: primary.probe.pool,
    all,
    pools: all.flatMap(({ pools }) => pools),
    candidates: () => [...inOrder(), primary],
    states: () =>
      all.map(({ name }) => ({
        name,
        isUp: monitor.isHealthy(name),
        ...(name !== primary.name && { lag: monitor.lag(name) }),
      })),
    isAvailable: () => all.some(({ name }) => monitor.isHealthy(name)),
    close,
  };
}
