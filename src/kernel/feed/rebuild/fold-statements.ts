import { partitionOf } from '../processors/processor-statements.ts';
import { projectionParts } from '../projection.ts';
import { IS_HELD } from './rebuild-job.ts';
import { beside, type RebuildableOfEvents } from './rebuildable.ts';

/** A row of `FoldStatements.read`. */
export interface StoredRow {
  readonly sequence: string;
  readonly type: string;
  readonly payload: Buffer;
  readonly personal: Buffer | null;
}

/** The statements that fold events into tables beside. */
export interface FoldStatements {
  /** What is behind $1, up to $2; of an async projection also what waited as a dead letter and does no more, of the job $3. */
  readonly read: string;
  /**
   * Folds the same and moves the place of the job ($1, of the owner $2) from $3 to $4, where $5 is how much there is in all. Where the
   * projection reads data, $6 and $7 are the sequences of events and what they hold. Of a projection in partitions, the last parameter is the
   * last event of each.
   */
  readonly fold: string;
}

/**
 * Statements for pages of at most so many events.
 *
 * Of an async projection, events that are dead letters are left out, and noted: what the live tables do not have, the new ones do not have either. One
 * that has been handled since is folded then: later than its place, as it came to the live tables too.
 */
export function foldStatements(
  { name, projection, inline }: RebuildableOfEvents,
  { size, partitions }: { readonly size: number; readonly partitions: number },
): FoldStatements {
  const { events: taken, data: readsData = true, tables } = projection;
  const types = taken.map(({ typeName }) => `'${typeName}'`).join(', ');
  const ofAggregates = inline ? ` and event.aggregate_type in (${inline.aggregates.map((type) => `'${type}'`).join(', ')})` : '';
  const last = readsData ? '$8' : '$6';
  const ofPartition =
    partitions === 1 ? '' : ` and page.sequence <= (${last}::bigint[])[1 + ${partitionOf('event.aggregate_id')} % ${partitions}]`;
  const pageOf = (job: string, from: string, upTo: string): string => {
    const feed = `select sequence, position from cqrs.feed where sequence > ${from}::bigint and sequence <= ${upTo}::bigint order by sequence limit ${size}`;
    if (inline) return `page as materialized (${feed})`;
    return `job as materialized (select left_out from cqrs.rebuild where id = ${job}::uuid),
letters as materialized (select sequence from cqrs.dead_letter where processor = '${name}'),
page as materialized (
  (${feed})
  union all select sequence, position from cqrs.feed where sequence in (select unnest(left_out) from job))`;
  };
  const found = (columns: string): string => `select page.sequence, ${columns} from page, lateral (
    select * from cqrs.event where event.position = page.position offset 0) as event
  where event.type in (${types})${ofAggregates}`;
  const waits = inline ? '' : ' where sequence not in (select sequence from letters)';
  const leftOut = inline
    ? ''
    : ', left_out = array(select sequence from found where sequence not in (select sequence from handled))';

  return {
    read: `with ${pageOf('$3', '$1', '$2')},
found as (${found('event.type, event.payload, event.personal')})
select * from found${waits} order by sequence`,

    fold: `with ${[
      pageOf('$1', '$3', '$4'),
      `found as materialized (${found('event.id, event.type, event.aggregate_type, event.aggregate_id, event.aggregate_version, event.command_id, event.occurred_at')}${ofPartition})`,
      readsData
        ? 'handled as materialized (select * from found join unnest($6::bigint[], $7::text[]) as given (sequence, data) using (sequence))'
        : `handled as materialized (select *, null as data from found${waits})`,
      `moved as (
  update cqrs.rebuild set place = $4, done = $4, total = greatest(total, $5), updated_at = clock_timestamp()${leftOut}
  where ${IS_HELD} and place = $3 returning id)`,
      `events as materialized (
  select sequence as position, handled.id, type, data::jsonb as data, aggregate_type, aggregate_id, aggregate_version, command_id, occurred_at
  from moved cross join handled order by sequence)`,
      ...projectionParts(projection, beside(tables)).map((part) => `${part.name} as (${part.text})`),
    ].join(',\n')}
select exists (select from moved) as moved`,
  };
}
