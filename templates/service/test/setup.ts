/** The PostgreSQL that all integration tests of a run share. */
export { setUpTestCluster as globalSetup, tearDownTestCluster as globalTeardown } from 'bicameral/testing';
