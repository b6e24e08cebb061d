import type pg from 'pg';
import { hasGoneBack, MARK, SINCE_MARK } from '../../../kernel/database/cut.ts';
import { type ClosedSession, type EndedRead, type EndedSessions, REMEMBERED_MS } from './session-watch.ts';

/** What was read, and where: on which history of the database, and up to which of its transactions. */
interface Reading {
  readonly history: string;
  /** The oldest transaction that was still under way. */
  readonly xmin: string;
  readonly ended: readonly EndedSessions[];
  readonly closed: readonly ClosedSession[];
}

/**
 * A primary that was promoted begins a new timeline, and may not have what the one before committed last (PostgreSQL manual 25.3.5):
 * numbers of transactions are given out again then. pg_current_wal_lsn fails on a standby, whose snapshot does not list all
 * transactions in progress.
 */
const readingOf = (condition: string): string => `select
    (select system_identifier from pg_control_system()) || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) as history,
    ${MARK}::text as xmin,
    (select coalesce(json_agg(json_build_object('userId', user_id, 'epoch', epoch, 'keptSession', kept_session)), '[]')
      from read.ended_session where ${condition}) as ended,
    (select coalesce(json_agg(json_build_object('userId', user_id, 'session', session_id)), '[]')
      from read.closed_session where ${condition}) as closed`;

const BY_TIME = readingOf(`ended_at > now() - $1 * interval '1 millisecond'`);
const BY_TRANSACTION = readingOf(SINCE_MARK);

/** Bounded, because the next read waits for this one, in milliseconds. */
const PATIENCE = 2_000;

/**
 * Reads read.ended_session and read.closed_session for the watch over ended sessions.
 *
 * The mark is the oldest transaction still under way at the read before (see `Cut`): whatever was not visible then has that
 * id or a later one, so a slow commit is not missed. It holds for one history of the database only. On another one, or when the ids
 * went back, everything is read again by time.
 */
export function readEndedSessions(primary: Pick<pg.Pool, 'query'>) {
  async function ask(text: string, value: string | number): Promise<Reading> {
    const statement: pg.QueryConfig = { text, values: [value], query_timeout: PATIENCE } as pg.QueryConfig;
    const { rows } = await primary.query<Reading>(statement);
    const [reading] = rows;
    if (!reading) throw new Error('a select without a table returns one row');
    return reading;
  }

  return async (mark: string | undefined): Promise<EndedRead> => {
    const [history, xmin = ''] = mark?.split(' ') ?? [];
    let reading = mark === undefined ? undefined : await ask(BY_TRANSACTION, xmin);
    if (reading?.history !== history || hasGoneBack(xmin, reading?.xmin ?? '0')) reading = undefined;
    reading ??= await ask(BY_TIME, REMEMBERED_MS);
    return { ended: reading.ended, closed: reading.closed, mark: `${reading.history} ${reading.xmin}` };
  };
}
