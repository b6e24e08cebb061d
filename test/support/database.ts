import { application } from '../../src/app.ts';
import type { ClusterConnections } from '../../src/embedded-postgres/embedded-cluster.ts';
import type { Connection } from '../../src/kernel/database/connection.ts';
import { copyDatabase, createDatabase, type TestDatabase } from '../../src/testing/service/test-database.ts';
import { clusterForTests } from './cluster.ts';

export type { TestDatabase } from '../../src/testing/service/test-database.ts';

/** A database with the schema of this service, on the cluster that the tests of this run share, or on another one. */
export function createTestDatabase(cluster: ClusterConnections = clusterForTests()): Promise<TestDatabase> {
  return createDatabase(cluster, application.modules);
}

/** A database without a schema; `options` are those of CREATE DATABASE. */
export function createEmptyDatabase(options = ''): Promise<TestDatabase> {
  return copyDatabase(clusterForTests(), 'template0', options);
}

/** The URL of a connection by a Unix-domain socket. */
export function urlOf({ user, database, host = '', port }: Connection): string {
  return `postgresql://${user}@/${database}?host=${encodeURIComponent(host)}&port=${port}`;
}
