import type { ClusterLogger } from '../../embedded-postgres/cluster-logger.ts';
import { checkSession, checkWriterGroups, DatabaseUnsuitable, NotLetIn } from './check-database.ts';
import { type Connection, type Connections, withSettings } from './connection.ts';
import { DatabaseClient } from './database-client.ts';
import { migrate } from './migrate.ts';
import { createPool } from './pool.ts';
import type { ModuleSchema } from './schema.ts';

/**
 * Where the database is: under `dataDir`, run by the program itself; elsewhere; run by
 * the parent process, who lends it; or opened and migrated by that as well.
 */
export type DatabaseConfig =
  | { readonly kind: 'embedded'; readonly dataDir: string }
  | {
      readonly kind: 'external';
      readonly owner: Connection;
      readonly writer: Connection;
      readonly replicas: readonly Connection[];
    }
  | { readonly kind: 'lent' | 'opened'; readonly connections: Connections };

/** The database, reachable; `close` also stops it when it is the program's own. */
export interface OpenedDatabase {
  readonly connections: Connections;
  readonly close: () => Promise<void>;
}

interface OpenOptions {
  /** Whose sessions these are: see `sessionName`. */
  readonly service?: string;
  readonly onProgress?: (step: string) => void;
  readonly logger?: ClusterLogger;
}

/** Starts the embedded cluster, or takes the databases that the configuration names. */
export async function openDatabase(database: DatabaseConfig, options: OpenOptions): Promise<OpenedDatabase> {
  const { connections, close } = await waysInto(database, options);
  const named = <C extends Connection>(connection: C): C => ({
    ...connection,
    ...(options.service !== undefined && { service: options.service }),
  });
  const { owner, writer, reader, replicas } = connections;
  return {
    connections: { owner: named(owner), writer: named(writer), reader: named(reader), replicas: replicas.map(named) },
    close,
  };
}

async function waysInto(database: DatabaseConfig, { onProgress, logger }: OpenOptions): Promise<OpenedDatabase> {
  if ('connections' in database) return { connections: database.connections, close: async () => {} };
  if (database.kind === 'external') {
    const { owner, writer, replicas } = database;
    // The reader's role on the writer's connection: see docs/database.md.
    const reader = withSettings(writer, { role: 'bicameral_reader' });
    return { connections: { owner, writer, reader, replicas }, close: async () => {} };
  }
  // Loaded only here: a service with a database of its own elsewhere need not have the binaries.
  const { startEmbeddedCluster } = await import('../../embedded-postgres/start-embedded-cluster.ts');
  const cluster = await startEmbeddedCluster({
    dataDir: database.dataDir,
    ...(onProgress && { onProgress }),
    ...(logger && { logger }),
  });
  return { connections: cluster.connections, close: cluster.stop };
}

/** The same, with the schema of the kernel and of the modules up to date. What was started is stopped again when the migrations fail. */
export async function openMigratedDatabase(
  database: DatabaseConfig,
  modules: readonly ModuleSchema[],
  options: OpenOptions,
): Promise<OpenedDatabase> {
  const opened = await openDatabase(database, options);
  if (database.kind === 'opened') return opened;
  try {
    const { onProgress } = options;
    const migrations = await migrate(opened.connections.owner, modules, { ...(onProgress && { onProgress }) });
    if (migrations.length > 0) options.logger?.info({ migrations }, 'migrated');
    // Of an embedded cluster, queries have a role and connections of their own.
    await checkWriter(opened.connections.writer, { isReader: database.kind === 'external' });
    return opened;
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function checkWriter(writer: Connection, { isReader }: { isReader: boolean }): Promise<void> {
  const pool = createPool(writer, { name: 'start', max: 1, readOnly: false });
  try {
    await checkSession(pool, { variable: 'DATABASE_URL', readOnly: false });
    if (isReader) await checkWriterGroups(pool);
  } catch (error) {
    throw error instanceof DatabaseUnsuitable ? error : new NotLetIn(new DatabaseClient(writer), 'DATABASE_URL', error);
  } finally {
    await pool.close();
  }
}
