import type { ClusterConnections } from '../../src/embedded-postgres/embedded-cluster.ts';
import { CLUSTER_VARIABLE } from '../../src/testing/service/test-cluster.ts';

/** The ways into the cluster, primary and replica, that all integration tests of this run share. */
export function clusterForTests(environment: NodeJS.ProcessEnv = process.env): ClusterConnections {
  const text = environment[CLUSTER_VARIABLE];
  if (!text) throw new Error('no cluster runs for the tests: is global-setup.ts the globalSetup of this jest project?');
  return JSON.parse(text);
}
