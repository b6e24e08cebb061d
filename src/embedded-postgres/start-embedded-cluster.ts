import { resolve } from 'node:path';
import { makeDataDir, prepareClusterHome } from './cluster-home.ts';
import { type ClusterLogger, silentLogger } from './cluster-logger.ts';
import { lockDataDir } from './data-dir-lock.ts';
import type { EmbeddedCluster } from './embedded-cluster.ts';
import { runCluster } from './run-cluster.ts';
import type { ServerSettings } from './server-settings.ts';

/** Where the cluster is, and what it is to be. */
export interface EmbeddedClusterOptions {
  /** Made when it is missing, for its owner only. Relative paths are from the working directory. */
  readonly dataDir: string;
  readonly logger?: ClusterLogger;
  /** Without one, queries read the primary. Default true. */
  readonly replica?: boolean;
  /** Server settings to add or change on both servers, e.g. `{ fsync: 'off' }` in tests. */
  readonly settings?: ServerSettings;
  /** Told what is being done, in a few words, at each step that takes time. */
  readonly onProgress?: (step: string) => void;
}

/**
 * Starts PostgreSQL from the npm package: a primary and, unless it is declined, a streaming replica, both under `dataDir`.
 *
 * They are reached by Unix-domain sockets only. They end with this program, however it ends, and are brought up again when they
 * crash. What an earlier program or a power cut left behind is put in order. Throws an `EmbeddedClusterError`, above all
 * `DataDirInUse`; then nothing is left running.
 *
 * ```ts
 * const cluster = await startEmbeddedCluster({ dataDir: '.data' });
 * const client = new pg.Client(cluster.connections.writer);
 * // …
 * await cluster.stop();
 * ```
 */
export async function startEmbeddedCluster(options: EmbeddedClusterOptions): Promise<EmbeddedCluster> {
  const { replica: withReplica = true, logger = silentLogger, settings = {}, onProgress = () => {} } = options;
  const dataDir = resolve(options.dataDir);
  const dataDirIsNew = await makeDataDir(dataDir);
  const locks = [await lockDataDir(dataDir)];
  const unlock = () => {
    for (const lock of locks) lock.release();
  };
  try {
    const home = await prepareClusterHome({ dataDir, dataDirIsNew, isRoot: process.getuid?.() === 0, logger });
    // Two data directories may lead to one home: a link that was copied.
    locks.push(await lockDataDir(home.path));
    const cluster = await runCluster({ home, withReplica, settings, logger, onProgress });
    return { ...cluster, stop: () => cluster.stop().finally(unlock) };
  } catch (error) {
    unlock();
    throw error;
  }
}
