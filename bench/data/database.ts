import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { application } from '../../src/app.ts';
import type { ConnectionSettings } from '../../src/embedded-postgres/connection-settings.ts';
import { startEmbeddedCluster } from '../../src/embedded-postgres/start-embedded-cluster.ts';
import { loadOrCreateSigningKey } from '../../src/kernel/auth/key-files.ts';
import { migrate } from '../../src/kernel/database/migrate.ts';
import { hasUsers, makeUsers } from './make-users.ts';

/** The one database of a run, which all subjects use: a primary and its replica, with their settings as shipped. */
export interface BenchDatabase {
  /** Of the primary, as a role that may do everything a subject has to. */
  readonly url: string;
  readonly replicaUrl: string;
  /** The replica as the role that may also read the write model, which is where the peer reads. */
  readonly replicaWriterUrl: string;
  /** The key of the services that use it: the database knows it, and lets none be started with another. */
  readonly signingKeyFile: string;
  readonly stop: () => Promise<void>;
}

/** For filling it: what is made can be made again, so nothing is kept safe on the way. */
const BULK_SETTINGS = {
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '2GB',
  wal_recycle: 'off',
  maintenance_work_mem: '1GB',
  work_mem: '256MB',
  shared_buffers: '512MB',
  fsync: 'off',
  autovacuum: 'off',
};

/** In a directory while it is filled, and after a run that was ended meanwhile. */
const BEING_FILLED = 'being-filled';

export interface BenchDatabaseOptions {
  readonly dataDir: string;
  readonly users: number;
  readonly onProgress: (step: string) => void;
}

/** The directory holds something else than what the run needs; the message says what to do. */
export class DataUnfit extends Error {
  constructor({ dataDir, users }: BenchDatabaseOptions) {
    super(
      `${dataDir} does not hold ${users.toLocaleString('en')} users, or the run that filled it was ended. Give --data another directory, or delete this one.`,
    );
    this.name = 'DataUnfit';
  }
}

/** Starts the database in the directory: as an earlier run left it, or a new one, which is filled with so many users. Throws DataUnfit. */
export async function startDatabase(options: BenchDatabaseOptions): Promise<BenchDatabase> {
  const { dataDir, users, onProgress } = options;
  const found = await readdir(dataDir).catch((): string[] => []);
  if (found.includes(BEING_FILLED)) throw new DataUnfit(options);
  if (found.length === 0) await fill(options);

  const cluster = await startEmbeddedCluster({ dataDir, onProgress });
  const { owner, superuser, writer, replicas } = cluster.connections;
  const signingKeyFile = join(dataDir, 'signing-key.pem');
  try {
    await loadOrCreateSigningKey(signingKeyFile);
    onProgress('migrating');
    const migrated = await migrate(owner, application.modules, { onProgress });
    await withClient(superuser, async (client) => {
      if (!(await hasUsers(client, users))) throw new DataUnfit(options);
      if (migrated.length === 0) return;
      onProgress('vacuuming');
      await client.query('vacuum (analyze)');
    });
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  const [replica] = replicas;
  if (!replica) throw new Error('the cluster has no replica');
  return {
    url: urlOf(writer),
    replicaUrl: urlOf(replica),
    replicaWriterUrl: urlOf({ ...replica, user: writer.user }),
    signingKeyFile,
    stop: cluster.stop,
  };
}

async function fill({ dataDir, users, onProgress }: BenchDatabaseOptions): Promise<void> {
  const cluster = await startEmbeddedCluster({ dataDir, replica: false, settings: BULK_SETTINGS, onProgress });
  const mark = join(dataDir, BEING_FILLED);
  try {
    await writeFile(mark, '');
    await migrate(cluster.connections.owner, application.modules);
    await withClient(cluster.connections.superuser, async (client) => {
      // As docs/database.md asks of the role of DATABASE_URL.
      await client.query('grant bicameral_reader to bicameral_writer');
      await makeUsers(client, users, onProgress);
    });
  } finally {
    onProgress('writing to the disk');
    await cluster.stop();
  }
  await rm(mark);
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
