import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { application } from '../../src/app.ts';
import type { ClusterConnections } from '../../src/embedded-postgres/embedded-cluster.ts';
import type { Connection, Connections } from '../../src/kernel/database/connection.ts';
import { migrate } from '../../src/kernel/database/migrate.ts';
import { clusterForTests } from './cluster.ts';
import { PATIENCE } from './patience.ts';

const TEMPLATE = 'bicameral_template';

/** A database of a test's own, with the schema in it, on the shared primary and replica. */
export interface TestDatabase {
  readonly connections: Connections;
  /** Runs a statement as the one who may do everything. */
  readonly query: <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<Row[]>;
  readonly drop: () => Promise<void>;
}

/** Makes the migrated database that tests copy; once a run. */
export async function createTemplate(cluster: ClusterConnections): Promise<void> {
  const admin = await connect(cluster.superuser);
  await admin.query('grant bicameral_reader to bicameral_writer');
  await admin.query(`create database ${TEMPLATE} owner bicameral_owner`);
  await admin.end();
  await migrate({ ...cluster.owner, database: TEMPLATE }, application.modules);
}

/** On the cluster that the tests of this run share, or on another one that `createTemplate` has prepared. */
export function createTestDatabase(cluster: ClusterConnections = clusterForTests()): Promise<TestDatabase> {
  return createDatabase(cluster, TEMPLATE);
}

/** A database without a schema; `options` are those of CREATE DATABASE. */
export function createEmptyDatabase(options = ''): Promise<TestDatabase> {
  return createDatabase(clusterForTests(), 'template0', options);
}

/** The URL of a connection by a Unix-domain socket. */
export function urlOf({ user, database, host = '', port }: Connection): string {
  return `postgresql://${user}@/${database}?host=${encodeURIComponent(host)}&port=${port}`;
}

async function createDatabase(cluster: ClusterConnections, template: string, options = ''): Promise<TestDatabase> {
  const database = `test_${randomBytes(6).toString('hex')}`;
  const admin = await connect(cluster.superuser);
  // Copying by WAL needs no checkpoint.
  await admin.query(`create database ${database} template ${template} strategy wal_log owner bicameral_owner ${options}`);
  const here = (connection: Connection): Connection => ({ ...connection, database });
  const replicas = cluster.replicas.map(here);
  for (const replica of replicas) await untilItExists(replica);
  const inside = new pg.Pool({ ...here(cluster.superuser), max: 2 });
  // Dropping the database ends what is idle.
  inside.on('error', () => {});
  return {
    connections: { owner: here(cluster.owner), writer: here(cluster.writer), reader: here(cluster.reader), replicas },
    query: async (text, values = []) => (await inside.query(text, values)).rows,
    drop: async () => {
      await inside.end();
      await admin.query(`drop database ${database} with (force)`);
      await admin.end();
    },
  };
}

async function connect(connection: Connection): Promise<pg.Client> {
  const client = new pg.Client(connection);
  client.on('error', () => {});
  await client.connect();
  return client;
}

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
