import { type CompiledQuery, sql } from 'kysely';
import { readStatements } from '../database/read/read-statements.ts';
import type { Rows } from '../feed/tail.ts';

/** The end of the feed of a database, with what else ends answers of it: all of one snapshot. */
export interface Look {
  /** Another text when what is kept may no longer hold though no event says so. */
  readonly state: string;
  /** The number of the last event. */
  readonly last: number;
  /** How far each projection has come that was asked for, in all its parts. */
  readonly checkpoints: Readonly<Record<string, number>>;
  /** The first events behind a number: number, type and aggregate. */
  readonly events: readonly (readonly [sequence: number, type: string, aggregateId: string])[];
}

/** Most events that one look tells. */
export const MOST_EVENTS = 500;

/**
 * `state` tells of a server that was restarted, promoted or exchanged for another, of projections that were made anew, and of events that a
 * projection left behind and took later.
 */
const STATEMENT: CompiledQuery<Look> = sql<Look>`
  select concat_ws(' ', pg_postmaster_start_time(), pg_is_in_recovery(),
      (select max(finished_at) from cqrs.rebuild where state = 'done' and not verify),
      (select count(*) from cqrs.dead_letter where processor = any (${[]}::text[]))) as state,
    coalesce((select last_sequence from cqrs.sequencer order by last_sequence desc limit 1), 0)::float8 as last,
    (select coalesce(jsonb_object_agg(name, checkpoint), '{}')
      from (select name, min(checkpoint) as checkpoint from cqrs.processor where name = any (${[]}::text[]) group by name) as processors) as checkpoints,
    (select coalesce(json_agg(json_build_array(sequence, type, aggregate_id) order by sequence), '[]')
      from (select sequence, position from cqrs.feed where sequence > ${0}::bigint order by sequence limit ${sql.lit(MOST_EVENTS)}) as next
        join cqrs.event using (position)) as events`.compile(readStatements());

/** Looks at what is behind `after`. */
export async function lookBehind(read: Rows, after: bigint | 'the end', projections: readonly string[]): Promise<Look> {
  const [look] = await read.rows(STATEMENT, [projections, projections, after === 'the end' ? BEHIND_ALL : String(after)]);
  if (!look) throw new Error('the database returned no row about its feed');
  return look;
}

const BEHIND_ALL = String(2n ** 63n - 1n);
