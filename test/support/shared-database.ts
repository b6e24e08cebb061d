import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { startEmbeddedCluster } from '../../src/embedded-postgres/start-embedded-cluster.ts';
import { loadOrCreateSigningKey } from '../../src/kernel/auth/key-files.ts';
import { createTestDatabase, type TestDatabase, urlOf } from './database.ts';
import { temporaryDataDir } from './temporary-data-dir.ts';

/** A database on a cluster of its own, for instances of a service that are killed. */
export interface SharedDatabase {
  readonly database: TestDatabase;
  /** For `startService`: each instance works on the database, with the same key. */
  readonly env: Record<string, string>;
  /** The first row; there has to be one. */
  readonly one: <Row extends pg.QueryResultRow>(text: string, ...values: unknown[]) => Promise<Row>;
  /** What time the database has. */
  readonly clock: () => Promise<string>;
  /** The process that a processor of that name belongs to. */
  readonly ownerPid: (processor: string) => Promise<number>;
  readonly stop: () => Promise<void>;
}

export async function startSharedDatabase(): Promise<SharedDatabase> {
  const dataDir = temporaryDataDir();
  const cluster = await startEmbeddedCluster({ dataDir: dataDir.path, settings: { fsync: 'off' } });
  const database = await createTestDatabase(cluster.connections);
  const keys = await mkdtemp(join(tmpdir(), 'bicameral-keys-'));
  await loadOrCreateSigningKey(join(keys, 'key.pem'));
  const { owner, writer, replicas } = database.connections;

  async function one<Row extends pg.QueryResultRow>(text: string, ...values: unknown[]): Promise<Row> {
    const [row] = await database.query<Row>(text, values);
    if (!row) throw new Error(`no row: ${text}`);
    return row;
  }

  return {
    database,
    env: {
      DATABASE_URL: urlOf(writer),
      DATABASE_OWNER_URL: urlOf(owner),
      DATABASE_REPLICA_URLS: replicas.map(urlOf).join(),
      AUTH_SIGNING_KEY_FILE: join(keys, 'key.pem'),
      METRICS_ADDRESS: '127.0.0.1:0',
    },
    one,
    clock: async () => (await one<{ at: string }>('select clock_timestamp()::text as at')).at,
    ownerPid: async (processor) => {
      const owner = 'select pid from cqrs.processor join cqrs.instance on instance.id = processor.owner where name = $1';
      return (await one<{ pid: number }>(owner, processor)).pid;
    },
    stop: async () => {
      await database.drop();
      await cluster.stop();
      await rm(keys, { recursive: true });
      await dataDir[Symbol.asyncDispose]();
    },
  };
}
