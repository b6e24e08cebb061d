/** Starts the one cluster that all integration tests of a run share. */
export { setUpTestCluster as default } from '../src/testing/service/test-cluster.ts';
