import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { bringUpReplica } from './bring-up-replica.ts';
import type { ClusterHome } from './cluster-home.ts';
import type { ClusterLogger } from './cluster-logger.ts';
import type { ConnectionSettings } from './connection-settings.ts';
import { removeUnfinished } from './data-folder.ts';
import type { ClusterServer, EmbeddedCluster } from './embedded-cluster.ts';
import { findExecutables } from './executables.ts';
import { makePrimaryFolder, primaryFolderExists } from './primary-folder.ts';
import { watchReplica } from './replica-watch.ts';
import { dropReplicationSlot, whyNotReplicating } from './replication.ts';
import { DATABASE, ensureRolesAndDatabase, OWNER, READER, WRITER } from './roles.ts';
import { freeDataFolder } from './running-postmaster.ts';
import { Server } from './server.ts';
import { ServerKeeper } from './server-keeper.ts';
import { serverLog } from './server-log.ts';
import { type ServerSettings, serverSettings } from './server-settings.ts';
import { makeSocketDirectory } from './socket-directory.ts';

const PRIMARY_PORT = 5432;
const REPLICA_PORT = 5433;
/** A crash recovery reads up to a gigabyte of WAL, in milliseconds. */
const PRIMARY_PATIENCE = 300_000;
/** After that a replica is made again, in milliseconds. */
const REPLICA_PATIENCE = 30_000;
/** How long the primary may take to hand its last WAL to the replica at the end, in milliseconds. */
const LAST_WAL = 5_000;

interface ClusterParts {
  readonly home: ClusterHome;
  readonly withReplica: boolean;
  readonly settings: ServerSettings;
  readonly logger: ClusterLogger;
  readonly onProgress: (step: string) => void;
}

/** Starts the servers in a home that is ready and locked. If that fails, nothing is left running. */
export async function runCluster({ home, withReplica, settings, logger, onProgress }: ClusterParts): Promise<EmbeddedCluster> {
  const executables = await findExecutables(home);
  const durable = settings.fsync !== 'off';
  const folders = { primary: join(home.path, 'primary'), replica: join(home.path, 'replica') };
  await removeUnfinished(home.path);
  if (!(await primaryFolderExists(folders.primary, folders.replica, executables.majorVersion))) {
    onProgress('creating the primary');
    await makePrimaryFolder({ folder: folders.primary, home, executables, durable });
  }

  const sockets = await makeSocketDirectory(home);
  const server = (name: 'primary' | 'replica', onUnexpectedEnd: ServerKeeper['ended']) => {
    const port = name === 'primary' ? PRIMARY_PORT : REPLICA_PORT;
    return new Server({
      name,
      folder: folders[name],
      superuser: { host: sockets.path, port, database: 'postgres', user: 'postgres', ssl: false },
      postgres: executables.postgres,
      settings: serverSettings({
        name,
        socketDirectory: sockets.path,
        port,
        ...(name === 'replica' ? { primaryPort: PRIMARY_PORT } : {}),
        overrides: settings,
      }),
      log: serverLog(join(home.path, `${name}.log`), home.runAs),
      runAs: home.runAs,
      patience: name === 'primary' ? PRIMARY_PATIENCE : REPLICA_PATIENCE,
      onUnexpectedEnd,
    });
  };
  const primary = server('primary', (end) => keptPrimary.ended(end));
  const keptPrimary = new ServerKeeper({ server: primary, bringUp: () => primary.start(), logger });
  const replica = server('replica', (end) => keptReplica.ended(end));
  const replicaParts = { primary, replica, home, executables, durable, logger, onProgress };
  const keptReplica = new ServerKeeper({
    server: replica,
    bringUp: (signal) => bringUpReplica(replicaParts, signal),
    logger,
  });
  let unwatch = async (): Promise<void> => {};

  const stop = async () => {
    keptReplica.cancel();
    const unwatched = unwatch();
    const primaryStopped = keptPrimary.stop();
    // A primary waits for its replica to take the last WAL: the replica goes second, but does not hold it up for ever.
    await Promise.race([primaryStopped, delay(LAST_WAL, undefined, { ref: false })]);
    await keptReplica.stop();
    await unwatched;
    await primaryStopped;
    await sockets.remove();
  };
  try {
    onProgress('starting the primary');
    // Servers that an earlier program left are not ours to serve with: they run with its settings, and are about to end.
    await Promise.all([freeDataFolder(folders.primary), freeDataFolder(folders.replica)]);
    await keptPrimary.start();
    const [databaseIsNew] = await Promise.all([
      ensureRolesAndDatabase(primary.superuser),
      withReplica ? keptReplica.start() : dropReplicationSlot(primary.superuser),
    ]);
    // It is made beside the replica, which can have been ready first. Without its primary the replica is left to its keeper.
    if (withReplica && databaseIsNew) await whyNotReplicating(primary.superuser, replica.superuser).catch(() => {});
    if (withReplica) {
      const remake = (signal: AbortSignal, fault: string) =>
        bringUpReplica({ ...replicaParts, onProgress: () => {} }, signal, fault);
      unwatch = watchReplica({ primary, replica, kept: keptReplica, remake, logger });
    }
  } catch (error) {
    await stop();
    throw error;
  }

  const as = (user: string, { superuser }: Server): ConnectionSettings => ({ ...superuser, database: DATABASE, user });
  return {
    connections: {
      owner: as(OWNER, primary),
      writer: as(WRITER, primary),
      reader: as(READER, primary),
      replicas: withReplica ? [as(READER, replica)] : [],
      superuser: { ...primary.superuser, database: DATABASE },
    },
    primary: handle(primary, keptPrimary),
    replica: withReplica ? handle(replica, keptReplica) : undefined,
    stop,
  };
}

function handle(server: Server, kept: ServerKeeper): ClusterServer {
  return {
    folder: server.folder,
    logFile: server.logFile,
    pid: () => server.pid(),
    start: () => kept.start(),
    stop: () => kept.stop(),
  };
}
