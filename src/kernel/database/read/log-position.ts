import { AsyncLocalStorage } from 'node:async_hooks';
import type pg from 'pg';
import { errorCode } from '../sql-errors.ts';
import { PreparedRead, Unprepared } from './prepared-read.ts';

/** A place in the write-ahead log. Each server that is promoted begins a timeline of its own. */
export interface LogPosition {
  readonly timeline: number;
  /** In bytes since the log began. */
  readonly lsn: bigint;
}

/** What somebody has seen; of one who has seen several places, the newest, and those that are on earlier timelines. */
export interface Seen extends LogPosition {
  readonly earlier?: readonly LogPosition[];
}

/** Asks over a connection where its database is. Never rejects; undefined where it cannot say. */
export type Locate = (client: pg.ClientBase) => Promise<LogPosition | undefined>;

/** What a server says of where it is. */
export interface PositionRow {
  readonly lsn: string | null;
  /** In hexadecimal. */
  readonly timeline: string | null;
}

/** query_canceled */
const CANCELED = '57014';
/** How often it is asked that was stopped in the place of another statement. */
const ATTEMPTS = 3;

/** Runs what serves several calls as part of none of them. */
const aside = AsyncLocalStorage.snapshot();

/**
 * Where a server is now: a standby by what it has applied, a primary by what it has written so far, which covers everything that a
 * statement before this one could see, commits too that are not flushed yet. `$1` is its system identifier: the rows of a database that was restored
 * from a dump are about another.
 *
 * A standby cannot say what timeline it follows. It has the row of that timeline when it has applied what was written there.
 */
export const POSITION = `select
    case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end as lsn,
    case when pg_is_in_recovery()
      then (select to_hex(timeline) from cqrs.timeline where system_identifier = $1 order by timeline desc limit 1)
      else left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) end as timeline`;

/**
 * Asks a server where it is, behind what was sent to it before. Never rejects; undefined where it cannot say. `systemIdentifier` is that of its cluster.
 */
export async function askPosition(client: pg.ClientBase, systemIdentifier: string): Promise<LogPosition | undefined> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    try {
      const asked = { name: 'log position', text: POSITION, values: [systemIdentifier] };
      const [row] = await aside(() => client.query(new PreparedRead<PositionRow>(client, asked))).done;
      return row && positionOf(row);
    } catch (error) {
      if (errorCode(error) !== CANCELED && !(error instanceof Unprepared)) return undefined;
    }
  }
  return undefined;
}

/** Undefined where a server does not know. */
export function positionOf({ lsn, timeline }: PositionRow): LogPosition | undefined {
  if (lsn === null || timeline === null) return undefined;
  return { timeline: Number.parseInt(timeline, 16), lsn: endOfRecord(parseLsn(lsn)) };
}

export function parseLsn(text: string): bigint {
  const [high = '', low = ''] = text.split('/');
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

export function formatLsn(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffff_ffffn).toString(16)}`.toUpperCase();
}

/** XLOG_BLCKSZ and the size of the headers at the start of each page, of a segment above all (access/xlog_internal.h). */
const PAGE = 8192n;
const PAGE_HEADERS = [24n, 40n];

/**
 * A primary says where the next record will begin. Where that is the first of a page, it is behind the page's header, where a standby comes
 * only with the next record. A record that goes on from the page before can end at the same place. It counts from the start of the page too: whoever has come so far has it, because
 * it began before. So every position that is compared has to be read by this.
 */
export function endOfRecord(lsn: bigint): bigint {
  const inPage = lsn % PAGE;
  return PAGE_HEADERS.includes(inPage) ? lsn - inPage : lsn;
}
