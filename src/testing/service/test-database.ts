import { hash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { ClusterConnections } from '../../embedded-postgres/embedded-cluster.ts';
import type { Connection, Connections } from '../../kernel/database/connection.ts';
import { migrate } from '../../kernel/database/migrate.ts';
import type { Module } from '../../kernel/module.ts';

/** Keeps two processes from making one template at once. */
const LOCK = 6_206_141_021n;

/** How long a replica may be behind, in milliseconds: only one that does not follow meets it. */
const PATIENCE = 300_000;

/** A database of a test's own. */
export interface TestDatabase {
  readonly connections: Connections;
  /** Runs a statement as the one who may do everything, and returns the rows. */
  readonly query: <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<Row[]>;
  readonly drop: () => Promise<void>;
}

/** A copy of the database that the migrations of the kernel and of the modules make. They run once for all tests of a run. */
export async function createDatabase(cluster: ClusterConnections, modules: readonly Module[]): Promise<TestDatabase> {
  const admin = await connect(cluster.superuser);
  const template = await templateFor(modules, { cluster, admin }).finally(() => admin.end());
  return await copyDatabase(cluster, template);
}

/** A copy of a database; `options` are those of CREATE DATABASE. */
export async function copyDatabase(cluster: ClusterConnections, template: string, options = ''): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  const admin = await connect(cluster.superuser);
  // Copying by WAL needs no checkpoint.
  await admin.query(`create database ${name} template ${template} strategy wal_log owner ${cluster.owner.user} ${options}`);
  const here = (connection: Connection): Connection => ({ ...connection, database: name });
  const replicas = cluster.replicas.map(here);
  for (const replica of replicas) await untilItExists(replica);
  const inside = new pg.Pool({ ...here(cluster.superuser), max: 2 });
  // Dropping the database ends what is idle.
  inside.on('error', () => {});
  return {
    connections: { owner: here(cluster.owner), writer: here(cluster.writer), reader: here(cluster.reader), replicas },
    query: async (text, values = []) => (await inside.query(text, values)).rows,
    async drop() {
      await inside.end();
      await admin.query(`drop database ${name} with (force)`);
      await admin.end();
    },
  };
}

/** The name of the migrated database that is copied; made when there is none yet. */
async function templateFor(
  modules: readonly Module[],
  { cluster, admin }: { cluster: ClusterConnections; admin: pg.Client },
): Promise<string> {
  const migrations = modules.map(({ name, migrations = [] }) => [name, ...migrations.map((migration) => migration.name)]);
  const template = `test_template_${hash('sha256', JSON.stringify(migrations)).slice(0, 12)}`;
  await admin.query('select pg_advisory_lock($1)', [LOCK]);
  try {
    const { rows } = await admin.query('select from pg_database where datname = $1', [template]);
    if (rows.length > 0) return template;
    // The service takes the reader's role on the writer's connections, as with any database of its own.
    await admin.query(`grant ${cluster.reader.user} to ${cluster.writer.user}`);
    const draft = `${template}_draft`;
    await admin.query(`drop database if exists ${draft}`);
    await admin.query(`create database ${draft} owner ${cluster.owner.user}`);
    await migrate({ ...cluster.owner, database: draft }, modules);
    await admin.query(`alter database ${draft} rename to ${template}`);
    return template;
  } finally {
    await admin.query('select pg_advisory_unlock($1)', [LOCK]);
  }
}

async function connect(connection: Connection): Promise<pg.Client> {
  const client = new pg.Client(connection);
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** A replica has the database when it has replayed its creation. */
async function untilItExists(replica: Connection): Promise<void> {
  for (const deadline = Date.now() + PATIENCE; ; await sleep(10)) {
    try {
      const client = await connect(replica);
      await client.end();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}
