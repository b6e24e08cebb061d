import { type Connection, type Connections, withSettings } from './connection.ts';
import type { ClusterLogger } from './embedded/cluster-logger.ts';

/** Where the database is: under `dataDir`, run by the program itself, or elsewhere. */
export type DatabaseConfig =
  | { readonly kind: 'embedded'; readonly dataDir: string }
  | {
      readonly kind: 'external';
      readonly owner: Connection;
      readonly writer: Connection;
      readonly replicas: readonly Connection[];
    };

/** The database, reachable; `close` also stops it when it is the program's own. */
export interface OpenedDatabase {
  readonly connections: Connections;
  readonly close: () => Promise<void>;
}

/** Starts the embedded cluster, or takes the databases that the configuration names. */
export async function openDatabase(
  database: DatabaseConfig,
  { onProgress, logger }: { onProgress?: (step: string) => void; logger?: ClusterLogger },
): Promise<OpenedDatabase> {
  if (database.kind === 'external') {
    const { owner, writer, replicas } = database;
    // The reader's role on the writer's connection: see docs/database.md.
    const reader = withSettings(writer, { role: 'bicameral_reader' });
    return { connections: { owner, writer, reader, replicas }, close: async () => {} };
  }
  // Loaded only here: a service with a database of its own elsewhere need not have the binaries.
  const { startEmbeddedCluster } = await import('./embedded/start-embedded-cluster.ts');
  const cluster = await startEmbeddedCluster({
    dataDir: database.dataDir,
    ...(onProgress && { onProgress }),
    ...(logger && { logger }),
  });
  return { connections: cluster.connections, close: cluster.stop };
}
