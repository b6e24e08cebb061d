import type pg from 'pg';
import type { LogPosition } from './log-position.ts';

/** The timelines that a database has been on, each with the place in the log where it began; undefined where nobody knows. */
export type Timelines = ReadonlyMap<number, bigint | undefined>;

/**
 * How a database stands to a position that somebody has seen: it has it, it does not have it yet, or it will never have it, because it follows a server that was
 * promoted without it. Where nobody can tell whether the promoted server had it, it counts as lost.
 */
export type Standing = 'has it' | 'not yet' | 'lost';

/** `here` is where the database is. */
export function standingOf(seen: LogPosition, here: LogPosition, timelines: Timelines): Standing {
  if (seen.timeline === here.timeline) return seen.lsn <= here.lsn ? 'has it' : 'not yet';
  if (seen.timeline > here.timeline) return 'not yet';
  // Both have to be known, next to each other: between two that are not, there may have been one that began sooner.
  const end = timelines.has(seen.timeline) ? timelines.get(seen.timeline + 1) : undefined;
  return end !== undefined && seen.lsn <= end ? 'has it' : 'lost';
}

/**
 * A server that was promoted while it ran still knows the end of what it applied before: there its timeline began. One that was started
 * since may say what it applied for another reason, and it has received nothing since then.
 */
const RECORD = `insert into cqrs.timeline (system_identifier, timeline, began_at)
  select system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint,
    case when pg_last_wal_receive_lsn() is not null then pg_last_wal_replay_lsn() end
  from pg_control_system() on conflict do nothing`;

/** Puts the timeline of the primary in its own table, if it is not there: standbys have the row when they follow it. */
export async function recordTimeline(pool: Pick<pg.Pool, 'query'>): Promise<void> {
  await pool.query(RECORD);
}
