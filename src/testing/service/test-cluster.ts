import { randomUUID } from 'node:crypto';
import { readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterConnections } from '../../embedded-postgres/embedded-cluster.ts';

/** Where `setUpTestCluster` leaves the ways into the cluster for the processes of a run, as JSON. */
export const CLUSTER_VARIABLE = 'BICAMERAL_TEST_CLUSTER';

/** How `tearDownTestCluster` finds what `setUpTestCluster` began: the two run in one process, and not always in one realm. */
const STOP = Symbol.for('bicameral.testing.stopCluster');

/** Servers that are told to end write for a moment yet. */
const WHILE_SERVERS_END = { recursive: true, force: true, maxRetries: 100, retryDelay: 10 };

/** A primary and a replica of a run of tests. They forget their data in a power cut, and are faster for it. */
export interface TestCluster {
  readonly connections: ClusterConnections;
  /** Ends the servers and removes their data. */
  readonly stop: () => Promise<void>;
}

/**
 * Starts a cluster in a folder of its own.
 *
 * ```ts
 * const cluster = await startTestCluster();
 * const client = new pg.Client(cluster.connections.owner);
 * // …
 * await cluster.stop();
 * ```
 */
export async function startTestCluster(): Promise<TestCluster> {
  const dataDir = join(tmpdir(), `bicameral-test-${randomUUID()}`);
  // Loaded only here: tests in memory need none of it.
  const { startEmbeddedCluster } = await import('../../embedded-postgres/start-embedded-cluster.ts');
  const { administer } = await import('../../embedded-postgres/administer.ts');
  const cluster = await startEmbeddedCluster({
    dataDir,
    settings: { fsync: 'off', full_page_writes: 'off', max_connections: '200' },
  });
  const { superuser, reader, writer } = cluster.connections;
  // A service takes the reader's role on the writer's connections, as with any database of its own.
  await administer(superuser, (client) => client.query(`grant ${reader.user} to ${writer.user}`));
  return {
    connections: cluster.connections,
    async stop() {
      await cluster.stop();
      // Of a root's cluster the servers' folder is elsewhere.
      const outside = await readlink(join(dataDir, 'postgres')).catch(() => undefined);
      if (outside) await rm(outside, WHILE_SERVERS_END);
      await rm(dataDir, WHILE_SERVERS_END);
    },
  };
}

/**
 * Starts the cluster that all tests of a run share: the global setup of a test runner. Without it each process of the run starts one of
 * its own.
 *
 * ```ts
 * // jest, globalSetup: test/setup.ts
 * export { setUpTestCluster as default } from 'bicameral/testing';
 * // vitest, globalSetup: test/setup.ts
 * export { setUpTestCluster as setup, tearDownTestCluster as teardown } from 'bicameral/testing';
 * ```
 */
export async function setUpTestCluster(): Promise<void> {
  const { connections, stop } = await startTestCluster();
  process.env[CLUSTER_VARIABLE] = JSON.stringify(connections);
  Object.assign(globalThis, { [STOP]: stop });
}

/**
 * Ends the cluster that `setUpTestCluster` started: the global teardown.
 *
 * ```ts
 * // jest, globalTeardown: test/teardown.ts
 * export { tearDownTestCluster as default } from 'bicameral/testing';
 * ```
 */
export async function tearDownTestCluster(): Promise<void> {
  const stop: unknown = Reflect.get(globalThis, STOP);
  if (typeof stop === 'function') await stop();
}

let own: Promise<TestCluster> | undefined;
let users = 0;

/** The cluster of the run, or one of this process that ends with the last who uses it. */
export async function useTestCluster(environment: NodeJS.ProcessEnv = process.env): Promise<TestCluster> {
  const shared = environment[CLUSTER_VARIABLE];
  if (shared) return { connections: JSON.parse(shared), stop: async () => {} };
  users += 1;
  own ??= startTestCluster();
  const cluster = await own;
  return {
    connections: cluster.connections,
    async stop() {
      users -= 1;
      if (users > 0) return;
      own = undefined;
      await cluster.stop();
    },
  };
}
