import type pg from 'pg';

/** What of the log has no seal yet. */
export interface UnsealedTail {
  /** Counted up to 100,000. */
  readonly records: number;
  /** Of the oldest, in seconds; 0 when there is none. */
  readonly ageSeconds: number;
}

const MOST = 100_000;
/** How long the database may take to answer, in milliseconds. */
const PATIENCE = 2_000;

/** Over any connection; of a replica, what it knows. */
export const UNSEALED_TAIL = `with newest as materialized (
    select sealed_below, restored_position from cqrs.command_seal_batch order by number desc limit 1
  ), tail as materialized (
    select received_at from cqrs.command_log
    where transaction_id >= coalesce((select sealed_below from newest), '0'::xid8)
      and position > coalesce((select restored_position from newest), 0)
    limit ${MOST}
  )
  select count(*)::int as records, coalesce(extract(epoch from now() - min(received_at)), 0)::float8 as age from tail`;

/** The row of UNSEALED_TAIL; the age in seconds, by the clocks of two machines. */
export interface UnsealedRow {
  readonly records: number;
  readonly age: number;
}

/** Asks the primary. Rejects when it does not answer. */
export async function unsealedTail(primary: Pick<pg.Pool, 'query'>): Promise<UnsealedTail> {
  const statement = { text: UNSEALED_TAIL, query_timeout: PATIENCE } as pg.QueryConfig;
  const { rows } = await primary.query<UnsealedRow>(statement);
  const [{ records, age } = { records: 0, age: 0 }] = rows;
  // By the clocks of two machines.
  return { records, ageSeconds: Math.max(0, age) };
}
