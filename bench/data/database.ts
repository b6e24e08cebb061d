import pg from 'pg';
import { application } from '../../src/app.ts';
import type { ConnectionSettings } from '../../src/embedded-postgres/connection-settings.ts';
import { startEmbeddedCluster } from '../../src/embedded-postgres/start-embedded-cluster.ts';
import { migrate } from '../../src/kernel/database/migrate.ts';
import { hasUsers, makeUsers } from './make-users.ts';

/** The one database of a run, which all subjects use: a primary and its replica, with their settings as shipped. */
export interface BenchDatabase {
  /** Of the primary, as a role that may do everything a subject has to. */
  readonly url: string;
  readonly replicaUrl: string;
  /** The replica as the role that may also read the write model, which is where the peer reads. */
  readonly replicaWriterUrl: string;
  readonly stop: () => Promise<void>;
}

/** For filling it: what is made can be made again, so nothing is kept safe on the way. */
const BULK_SETTINGS = {
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '8GB',
  maintenance_work_mem: '1GB',
  shared_buffers: '512MB',
  fsync: 'off',
  autovacuum: 'off',
};

export interface BenchDatabaseOptions {
  readonly dataDir: string;
  readonly users: number;
  readonly onProgress: (step: string) => void;
}

/** Starts the database in the directory, filled with so many users. */
export async function startDatabase({ dataDir, users, onProgress }: BenchDatabaseOptions): Promise<BenchDatabase> {
  const filling = await startEmbeddedCluster({ dataDir, replica: false, settings: BULK_SETTINGS, onProgress });
  try {
    await migrate(filling.connections.owner, application.modules);
    await withClient(filling.connections.superuser, async (client) => {
      // As docs/database.md asks of the role of DATABASE_URL.
      await client.query('grant bicameral_reader to bicameral_writer');
      if (await hasUsers(client, users)) return;
      await client.query('truncate users."user", read.user_directory, read.ended_session, cqrs.event, cqrs.feed');
      await client.query('update cqrs.sequencer set last_sequence = 0');
      await makeUsers(client, users, (made) => onProgress(`making users: ${made.toLocaleString('en')}`));
    });
  } finally {
    await filling.stop();
  }

  const cluster = await startEmbeddedCluster({ dataDir, onProgress });
  const { writer, replicas } = cluster.connections;
  const [replica] = replicas;
  if (!replica) throw new Error('the cluster has no replica');
  return {
    url: urlOf(writer),
    replicaUrl: urlOf(replica),
    replicaWriterUrl: urlOf({ ...replica, user: writer.user }),
    stop: cluster.stop,
  };
}

function urlOf({ host, port, database, user }: ConnectionSettings): string {
  return `postgresql:///${database}?${new URLSearchParams({ host, port: String(port), user })}`;
}

async function withClient(connection: ConnectionSettings, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ ...connection });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
