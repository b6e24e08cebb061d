import { setTimeout as delay } from 'node:timers/promises';
import { administer } from './administer.ts';
import type { ClusterLogger } from './cluster-logger.ts';
import { dataFolderVersion, isStandby } from './data-folder.ts';
import { errorCode } from './error-code.ts';
import { HOPELESS, type Server } from './server.ts';
import type { ServerKeeper } from './server-keeper.ts';
import { REPLICATION_SLOT } from './server-settings.ts';

/** How often the replica is looked at, in milliseconds. */
const LOOK_EVERY = 2_000;
/** So many looks in a row that find it not streaming, while the primary answers, and it is stuck. */
const STUCK_AFTER = 8;

export interface ReplicaWatchOptions {
  readonly primary: Server;
  readonly replica: Server;
  readonly kept: ServerKeeper;
  /** Replaces what runs by a new copy of the primary, because of that fault. */
  readonly remake: (signal: AbortSignal, fault: string) => Promise<void>;
  readonly logger: ClusterLogger;
}

/**
 * Has a running replica that is none any more made again: one that was promoted by hand, whose folder is gone or damaged, whose slot
 * was lost, or that receives nothing. A crash is its keeper's business. Answers a function that ends the watch.
 */
export function watchReplica({ primary, replica, kept, remake, logger }: ReplicaWatchOptions): () => Promise<void> {
  const stopped = new AbortController();
  const { signal } = stopped;
  const look = faultFinder(primary, replica);
  let failed = false;
  const watching = (async () => {
    for (;;) {
      await delay(LOOK_EVERY, undefined, { signal, ref: false });
      if (!kept.isSettled) continue;
      const fault = await look().catch(() => undefined);
      if (!fault || signal.aborted || !kept.isSettled) continue;
      if (!failed) logger.warn({ fault }, 'the replica cannot be used and is made again');
      try {
        await kept.replace((canceled) => remake(canceled, fault));
        logger.info({ server: replica.name }, 'the replica was made again');
        failed = false;
      } catch (err) {
        // Tried again at the next look; said once.
        if (!failed && !signal.aborted) logger.error({ err, fault }, 'the replica cannot be made again yet');
        failed = true;
      }
    }
  })().catch(() => {});
  return async () => {
    stopped.abort();
    await watching;
  };
}

/** Each look answers what makes the replica useless, and undefined while it is well or nothing can be told. */
function faultFinder(primary: Server, replica: Server): () => Promise<string | undefined> {
  let idleLooks = 0;
  let downLooks = 0;
  return async () => {
    const { folder, superuser } = replica;
    if (!(await dataFolderVersion(folder))) return 'its folder is gone';
    if (!(await isStandby(folder))) return 'it was promoted';
    const slot = await administer(primary.superuser, async (client) => {
      const text = 'select wal_status from pg_replication_slots where slot_name = $1';
      return (await client.query<{ wal_status: string }>(text, [REPLICATION_SLOT])).rows[0];
    });
    if (!slot) return 'its slot is gone';
    if (slot.wal_status === 'lost') return 'it fell too far behind';
    // Once may be the moment between its end and its keeper's notice.
    downLooks = (await replica.isRunning()) ? 0 : downLooks + 1;
    if (downLooks > 0) return downLooks > 1 ? 'it does not run' : undefined;
    try {
      const { streams, damaged } = await administer(superuser, async (client) => {
        const { rows } = await client.query<{ streams: boolean; damaged: number }>(STATE);
        return rows[0] ?? { streams: false, damaged: 0 };
      });
      if (damaged > 0) return 'a page of it is damaged';
      idleLooks = streams ? 0 : idleLooks + 1;
      if (idleLooks < STUCK_AFTER) return undefined;
      idleLooks = 0;
      return 'it receives nothing from its primary';
    } catch (error) {
      return HOPELESS.test(String(errorCode(error))) ? `it cannot be used: ${error}` : undefined;
    }
  };
}

/** Checksums that did not fit: reading a damaged page once is enough to be seen. A new copy begins to count at 0. */
const STATE = `select exists (select from pg_stat_wal_receiver where status = 'streaming') as streams,
    coalesce((select sum(checksum_failures) from pg_stat_database), 0)::integer as damaged`;
