import type { ClusterHome } from './cluster-home.ts';
import type { ClusterLogger } from './cluster-logger.ts';
import { dataFolderVersion, isStandby, systemIdentifier } from './data-folder.ts';
import { ReplicaCannotBeMade } from './errors.ts';
import type { Executables } from './executables.ts';
import { makeReplicaFolder } from './replica-folder.ts';
import { ensureReplicationSlot, whyNotReplicating } from './replication.ts';
import type { Server } from './server.ts';

export interface ReplicaOptions {
  readonly primary: Server;
  readonly replica: Server;
  readonly home: ClusterHome;
  readonly executables: Executables;
  readonly durable: boolean;
  readonly logger: ClusterLogger;
  readonly onProgress: (step: string) => void;
}

/**
 * Starts the replica, and makes it again from the primary when what is there cannot be used.
 *
 * While the primary is away a replica is only started: it answers queries with what it has. Throws when it cannot be started or made,
 * or when the signal says that it is no longer wanted. With a fault that was `seen` while it ran, what is there is not tried again.
 */
export async function bringUpReplica(options: ReplicaOptions, signal: AbortSignal, seen?: string): Promise<void> {
  const { primary, replica, home, executables, durable, logger, onProgress } = options;
  const slot = await ensureReplicationSlot(primary.superuser).catch(() => undefined);
  if (slot === undefined && seen) throw new ReplicaCannotBeMade(`${seen}, and the primary cannot be reached`);
  if (slot === undefined) return replica.start();

  if (await dataFolderVersion(replica.folder)) {
    const lost = slot ? undefined : 'it fell too far behind';
    const fault = seen ?? lost ?? (await whyUnusable(options)) ?? (await whyNotStarted(options));
    if (!fault) return;
    signal.throwIfAborted();
    if (!seen) logger.warn({ fault }, 'the replica cannot be used and is made again');
    await replica.stop();
  } else {
    // A server whose folder is gone goes on running without it.
    await replica.stop();
  }
  onProgress('copying the primary to make the replica');
  await makeReplicaFolder({
    folder: replica.folder,
    primaryFolder: primary.folder,
    primary: primary.superuser,
    home,
    executables,
    durable,
  });
  signal.throwIfAborted();
  onProgress('starting the replica');
  await replica.start();
  const stillNot = await whyNotReplicating(primary.superuser, replica.superuser);
  if (!stillNot) return;
  await replica.stop();
  throw new ReplicaCannotBeMade(stillNot);
}

async function whyUnusable({ primary, replica, executables }: ReplicaOptions): Promise<string | undefined> {
  const version = await dataFolderVersion(replica.folder);
  if (version !== executables.majorVersion) return `it was made by PostgreSQL ${version}`;
  const [ours, theirs] = await Promise.all([systemIdentifier(replica.folder), systemIdentifier(primary.folder)]);
  if (ours !== theirs) return 'it is a copy of another primary';
  return (await isStandby(replica.folder)) ? undefined : 'it was promoted';
}

async function whyNotStarted({ primary, replica, onProgress }: ReplicaOptions): Promise<string | undefined> {
  onProgress('starting the replica');
  try {
    await replica.start();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  // A server that goes away in between is brought back by its keeper; the replica's folder is not to blame.
  return whyNotReplicating(primary.superuser, replica.superuser).catch(() => undefined);
}
