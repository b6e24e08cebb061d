import type { ConnectionSettings } from './connection-settings.ts';

/** The ways into the running cluster. */
export interface ClusterConnections {
  readonly owner: ConnectionSettings;
  readonly writer: ConnectionSettings;
  readonly reader: ConnectionSettings;
  /** The reader on the replica; empty without one. */
  readonly replicas: readonly ConnectionSettings[];
  /** Whoever may do everything on the primary: for administration, not for the service. */
  readonly superuser: ConnectionSettings;
}

/** One of the cluster's servers, to be taken down and up again while the cluster runs. */
export interface ClusterServer {
  /** The data folder. */
  readonly folder: string;
  /** The log file. */
  readonly logFile: string;
  /** The process id while it runs. */
  pid(): Promise<number | undefined>;
  stop(): Promise<void>;
  /** Resolves when it takes connections; a replica also streams by then, and is made again if it must be. */
  start(): Promise<void>;
}

/** A primary and its replica, running. */
export interface EmbeddedCluster {
  readonly connections: ClusterConnections;
  readonly primary: ClusterServer;
  readonly replica: ClusterServer | undefined;
  /** Ends both servers in order; the replica has everything the primary wrote. Can be called again. */
  stop(): Promise<void>;
}
