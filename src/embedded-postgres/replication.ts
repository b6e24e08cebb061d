import { setTimeout as delay } from 'node:timers/promises';
import { administer } from './administer.ts';
import type { ConnectionSettings } from './connection-settings.ts';
import { REPLICATION_SLOT } from './server-settings.ts';

/** A replica that neither receives nor replays for so long is stuck, in milliseconds. */
const STALLED = 5_000;
/** A replica that is still catching up after so long is left to go on by itself, in milliseconds. */
const LONG_ENOUGH = 60_000;

/**
 * Sees to it that the primary has the slot. Answers false when it had one that fell behind its limit: what its replica needs is gone.
 */
export async function ensureReplicationSlot(primary: ConnectionSettings): Promise<boolean> {
  return administer(primary, async (client) => {
    const { rows } = await client.query<{ wal_status: string | null }>(
      'select wal_status from pg_replication_slots where slot_name = $1',
      [REPLICATION_SLOT],
    );
    const lost = rows[0]?.wal_status === 'lost';
    if (lost) await client.query('select pg_drop_replication_slot($1)', [REPLICATION_SLOT]);
    if (lost || !rows[0]) await client.query('select pg_create_physical_replication_slot($1, true)', [REPLICATION_SLOT]);
    return !lost;
  });
}

/** Without a replica, a slot would only keep WAL that nobody reads. */
export async function dropReplicationSlot(primary: ConnectionSettings): Promise<void> {
  await administer(primary, (client) =>
    client.query('select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1', [REPLICATION_SLOT]),
  );
}

/**
 * Waits until the replica streams and has replayed what the primary held when this was called. Answers what is wrong if it cannot:
 * it receives nothing more, or it holds WAL that this primary never wrote. Rejects when a server cannot be reached.
 */
export async function whyNotReplicating(primary: ConnectionSettings, replica: ConnectionSettings): Promise<string | undefined> {
  return administer(primary, (onPrimary) =>
    administer(replica, async (onReplica) => {
      const { rows: ends } = await onPrimary.query<{ end: string }>('select pg_current_wal_flush_lsn()::text as end');
      const goal = ends[0]?.end;
      const start = performance.now();
      let position = '';
      let movedAt = start;
      for (;;) {
        const { rows } = await onReplica.query<{ position: string; arrived: boolean; streams: boolean }>(
          `select greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::text || ' ' || pg_last_wal_replay_lsn()::text as position,
                  pg_last_wal_replay_lsn() >= $1::pg_lsn as arrived,
                  exists (select from pg_stat_wal_receiver where status = 'streaming') as streams`,
          [goal],
        );
        const state = rows[0];
        // Asked after the replica's: the primary is never behind what it sent.
        const { rows: checks } = await onPrimary.query<{ ahead: boolean }>(
          'select $1::pg_lsn > pg_current_wal_flush_lsn() as ahead',
          [state?.position.split(' ')[0]],
        );
        if (checks[0]?.ahead) return 'it is ahead of its primary';
        const now = performance.now();
        if ((state?.arrived && state.streams) || now - start > LONG_ENOUGH) return undefined;
        if (state && state.position !== position) [position, movedAt] = [state.position, now];
        if (now - movedAt > STALLED) return 'it receives nothing from its primary';
        await delay(15);
      }
    }),
  );
}
