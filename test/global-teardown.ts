export { tearDownTestCluster as default } from '../src/testing/service/test-cluster.ts';
