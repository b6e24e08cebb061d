import { startEmbeddedCluster } from '../src/embedded-postgres/start-embedded-cluster.ts';
import { CLUSTER_VARIABLE } from './support/cluster.ts';
import { createTemplate } from './support/database.ts';
import { temporaryDataDir } from './support/temporary-data-dir.ts';

/** How global-teardown.ts finds what this began: the two run in one process. */
export const END_CLUSTER = Symbol.for('bicameral.test.endCluster');

/** Starts the one cluster that all integration tests of a run share. It forgets its data in a power cut, and is faster for it. */
export default async function globalSetup(): Promise<void> {
  await using resources = new AsyncDisposableStack();
  const dataDir = resources.use(temporaryDataDir());
  const cluster = await startEmbeddedCluster({
    dataDir: dataDir.path,
    settings: { fsync: 'off', full_page_writes: 'off', max_connections: '200' },
  });
  resources.defer(() => cluster.stop());
  await createTemplate(cluster.connections);
  process.env[CLUSTER_VARIABLE] = JSON.stringify(cluster.connections);
  const kept = resources.move();
  Object.assign(globalThis, { [END_CLUSTER]: () => kept.disposeAsync() });
}
