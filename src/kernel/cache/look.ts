import { CompiledQuery } from 'kysely';
import { type LogPosition, POSITION, type PositionRow, positionOf } from '../database/read/log-position.ts';
import type { Rows } from '../feed/tail.ts';

/** An event, by its position. */
export type SeenEvent = readonly [position: number, type: string, aggregateId: string];

/** The end of the feed of a database, with what else ends answers of it: all of one snapshot. */
export interface Look {
  /** Another text when what is kept may no longer hold though no event says so. */
  readonly state: string;
  readonly isStandby: boolean;
  /** Where the database was in its log, behind the snapshot. */
  readonly position: LogPosition | undefined;
  /** The oldest transaction that had not ended, and the next one to come: those before `oldest` are seen, if they were committed. */
  readonly oldest: bigint;
  readonly next: bigint;
  /** The number of the last event. */
  readonly last: bigint;
  /** How far each projection has come that was asked for, in all its parts. */
  readonly checkpoints: ReadonlyMap<string, bigint>;
  /** The first events behind a number, in order. */
  readonly numbered: readonly { readonly sequence: bigint; readonly event: SeenEvent }[];
  /** Those that have no number yet. */
  readonly unnumbered: readonly SeenEvent[];
}

/** Most events of either kind that one look tells. */
export const MOST_EVENTS = 500;

interface Row extends PositionRow {
  readonly state: string;
  readonly standby: boolean;
  readonly oldest: string;
  readonly next: string;
  readonly last: string;
  readonly checkpoints: Readonly<Record<string, number>>;
  readonly numbered: readonly (readonly [number, ...SeenEvent])[];
  readonly unnumbered: readonly SeenEvent[];
}

/**
 * `state` tells of a server that was restarted, promoted or exchanged for another, of projections that were made anew, and of events that a
 * projection left behind and took later. What has no number is found as `UNNUMBERED` finds it.
 */
const STATEMENT = `with
  sequencer as materialized (select last_sequence, last_position, seen from cqrs.sequencer order by last_sequence desc limit 1),
  late as (
    select position, type, aggregate_id from cqrs.event where transaction_id >= (select pg_snapshot_xmax(seen) from sequencer)
      and transaction_id < pg_snapshot_xmax(pg_current_snapshot())
    union all
    select position, type, aggregate_id from cqrs.event where transaction_id = any (array(select pg_snapshot_xip(seen) from sequencer))),
  unnumbered as (
    (select position, type, aggregate_id from cqrs.event where position > (select last_position from sequencer) order by position limit ${MOST_EVENTS})
    union all
    (select position, type, aggregate_id from late where position + 0 < (select last_position from sequencer)
      and (select true from cqrs.feed where feed.position = late.position) is null limit ${MOST_EVENTS})),
  numbered as (
    select sequence, position, type, aggregate_id
    from (select sequence, position from cqrs.feed where sequence > $3::bigint order by sequence limit ${MOST_EVENTS}) as behind
      join cqrs.event using (position))
  select concat_ws(' ', pg_postmaster_start_time(), pg_is_in_recovery(),
      (select max(finished_at) from cqrs.rebuild where state = 'done' and not verify),
      (select count(*) from cqrs.dead_letter where processor = any ($2::text[]))) as state,
    pg_is_in_recovery() as standby,
    pg_snapshot_xmin(pg_current_snapshot())::text as oldest, pg_snapshot_xmax(pg_current_snapshot())::text as next,
    (select last_sequence from sequencer) as last,
    (select coalesce(jsonb_object_agg(name, checkpoint), '{}')
      from (select name, min(checkpoint) as checkpoint from cqrs.processor where name = any ($2::text[]) group by name) as processors) as checkpoints,
    (select coalesce(json_agg(json_build_array(sequence, position, type, aggregate_id) order by sequence), '[]') from numbered) as numbered,
    (select coalesce(json_agg(json_build_array(position, type, aggregate_id)), '[]') from unnumbered) as unnumbered,
    lsn, timeline
  from (${POSITION}) as position`;

/** Where a look begins that is not to tell what was before. */
export const THE_END = 2n ** 63n - 1n;

/** Looks at what is behind a number. */
export async function lookBehind(
  read: Rows,
  after: bigint,
  of: { systemIdentifier: bigint | undefined; projections: readonly string[] },
): Promise<Look> {
  const parameters = [String(of.systemIdentifier ?? 0n), of.projections, String(after)];
  const [row] = await read.rows(CompiledQuery.raw(STATEMENT) as CompiledQuery<Row>, parameters);
  if (!row) throw new Error('the database returned no row about its feed');
  return {
    state: row.state,
    isStandby: row.standby,
    position: positionOf(row),
    oldest: BigInt(row.oldest),
    next: BigInt(row.next),
    last: BigInt(row.last),
    checkpoints: new Map(Object.entries(row.checkpoints).map(([name, checkpoint]) => [name, BigInt(checkpoint)])),
    numbered: row.numbered.map(([sequence, ...event]) => ({ sequence: BigInt(sequence), event })),
    unnumbered: row.unnumbered,
  };
}
