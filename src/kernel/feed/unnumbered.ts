import type pg from 'pg';

/** What of the events has no number yet. */
export interface Unnumbered {
  /** Counted up to 100,000. */
  readonly events: number;
  /** Of the oldest, since its command arrived, in seconds; 0 when there is none. */
  readonly ageSeconds: number;
}

/** A row of `UNNUMBERED`. */
export interface UnnumberedRow {
  readonly events: number;
  readonly age: number;
}

const MOST = 100_000;
/** How long the database may take to answer, in milliseconds. */
const PATIENCE = 2_000;

/** The same as `cqrs.number_events` looks for; in the order of the indexes, so that it is no scan of all events. */
export const UNNUMBERED = `with sequencer as materialized (select last_position, seen from cqrs.sequencer order by last_sequence desc limit 1),
  late as (select position, occurred_at from cqrs.event where transaction_id >= (select pg_snapshot_xmax(seen) from sequencer)
      and transaction_id < pg_snapshot_xmax(pg_current_snapshot())
    union all
    select position, occurred_at from cqrs.event where transaction_id = any (array(select pg_snapshot_xip(seen) from sequencer))),
  waiting as (
    (select occurred_at from cqrs.event where position > (select last_position from sequencer) order by position limit ${MOST})
    union all
    (select occurred_at from late where position + 0 < (select last_position from sequencer)
      and (select true from cqrs.feed where feed.position = late.position) is null limit ${MOST})
  )
  select least(count(*), ${MOST})::int as events, coalesce(extract(epoch from now() - min(occurred_at)), 0)::float8 as age from waiting`;

/** Asks the primary. Rejects when it does not answer. */
export async function unnumberedEvents(primary: Pick<pg.Pool, 'query'>): Promise<Unnumbered> {
  const statement = { text: UNNUMBERED, query_timeout: PATIENCE } as pg.QueryConfig;
  const { rows } = await primary.query<UnnumberedRow>(statement);
  const [{ events, age } = { events: 0, age: 0 }] = rows;
  // By the clocks of two machines.
  return { events, ageSeconds: Math.max(0, age) };
}
