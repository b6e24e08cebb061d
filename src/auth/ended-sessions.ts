import type pg from 'pg';
import { type EndedSessions, REMEMBERED_MS } from './revocations.ts';

/**
 * Reads read.ended_session for the revocation watch.
 *
 * The mark is the oldest transaction still under way at the read before (`pg_snapshot_xmin`): whatever was not visible then has that
 * id or a later one, so a slow commit is not missed. It is read on the primary, because a standby's snapshot does not list all
 * transactions in progress.
 */
export function readEndedSessions(primary: pg.Pool) {
  return async (afterXid: string | undefined): Promise<{ rows: readonly EndedSessions[]; nextXid: string }> => {
    const isNew = afterXid === undefined ? `ended_at > now() - $1 * interval '1 millisecond'` : 'transaction_id >= $1::xid8';
    const text = `select pg_snapshot_xmin(pg_current_snapshot())::text as "nextXid",
         coalesce(json_agg(json_build_object('userId', user_id, 'epoch', epoch, 'keptSession', kept_session))
           filter (where user_id is not null), '[]') as rows
       from (values (1)) as one left join (select * from read.ended_session where ${isNew}) as ended on true`;
    // Bounded, because the next read waits for this one.
    const bounded = { text, values: [afterXid ?? REMEMBERED_MS], query_timeout: 2_000 };
    const { rows } = await primary.query<{ rows: EndedSessions[]; nextXid: string }>(bounded);
    const [read] = rows;
    if (!read) throw new Error('an aggregate answers one row');
    return read;
  };
}
