/**
 * PostgreSQL from the npm package: a primary and a streaming replica, run by the program itself.
 *
 * @module bicameral/embedded
 */
export type { ClusterLogger } from './cluster-logger.ts';
export type { ConnectionSettings } from './connection-settings.ts';
export type { ClusterConnections, ClusterServer, EmbeddedCluster } from './embedded-cluster.ts';
export { DataDirInUse, EmbeddedClusterError } from './errors.ts';
export type { ServerSettings } from './server-settings.ts';
export { type EmbeddedClusterOptions, startEmbeddedCluster } from './start-embedded-cluster.ts';
