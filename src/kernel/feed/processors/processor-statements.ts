import { effectParts } from './effects.ts';
import type { FeedHandler } from './feed-handler.ts';

/** Events that one statement handles. */
const BATCH = 5_000;
/** The same where events come to this process: what waits in its memory is bounded by it. */
const READ_BATCH = 2_000;
/** Events to which a reactor reacts until its checkpoint moves: so many come again after a crash. */
const REACT_BATCH = 50;

export function batchSize({ react, readsData }: Pick<FeedHandler, 'react' | 'readsData'>): number {
  if (react) return REACT_BATCH;
  return readsData ? READ_BATCH : BATCH;
}

/** A row of `ProcessorStatements.read`. */
export interface EventRow {
  readonly sequence: string;
  readonly id: string;
  readonly type: string;
  readonly payload: Buffer;
  readonly personal: Buffer | null;
  readonly aggregate_type: string;
  readonly aggregate_id: string;
  readonly aggregate_version: number;
  readonly command_id: string;
  readonly traceparent: string;
  readonly occurred_at: Date;
  /** Of the command's record, where a reactor asks; null where the command is the first of its chain, or its record was pruned. */
  readonly correlation_id?: string | null;
  /** Whether an event of the same aggregate waits already. */
  readonly is_parked: boolean;
}

/** The row that `handle` answers. */
export interface Handled {
  /** Events that were there for this processor. */
  readonly taken: number;
  /** Those that were put behind others of their aggregate. */
  readonly behind: number;
  /** Of the processor from now on; null when nothing was done: it is paused, or somebody else moved it. */
  readonly moves: string | null;
}

/**
 * The statements of one processor. Its partition is $1 and `moves`, as it was read, is $2: a statement that has an effect counts it on, and
 * has no effect where somebody else did. So two processes that both think that it is theirs cannot do anything twice, and none of them holds
 * a lock for longer than a statement.
 */
export interface ProcessorStatements {
  /** What is behind $2, up to $3. */
  readonly read: string;
  /**
   * Handles what is behind $3, up to $4, and moves the checkpoint there; events of aggregates that wait are put behind them. Where its parts read
   * data, $5 and $6 are the sequences of events and what they hold. Of a reactor, $5 are the sequences that were not handled because they wait.
   */
  readonly handle: string;
  /** Of a reactor, the same where its reactions leave something, which is $6: see `Effects`. */
  readonly leave: string;
  /** Handles the dead letter $3, which leaves the queue. Where its parts read data, $4 and $5 as in `handle`; of a reactor, $4 as $6 of `leave`. */
  readonly drain: string;
  /** Puts $3 into the queue, after $4 tries that failed for the reason $5, and moves the checkpoint there. */
  readonly park: string;
}

export function processorStatements(handler: FeedHandler, partitions: number): ProcessorStatements {
  const { name, types, parts, readsData, react } = handler;
  const size = batchSize(handler);
  const isOwn = partitions === 1 ? '' : ` and ${partitionOf('event.aggregate_id')} % ${partitions} = $1::integer`;
  // With its literal number of rows, whatever the statistics say, each event is found by its position.
  const eventsOf = (page: string): string => `select page.sequence, event.* from ${page} as page, lateral (
    select * from cqrs.event where event.position = page.position offset 0) as event
  where event.type in (${types.map((type) => `'${type}'`).join(', ')})${isOwn}`;
  const pageOf = (from: string, upTo: string): string =>
    `page as materialized (
  select sequence, position from cqrs.feed where sequence > ${from}::bigint and sequence <= ${upTo}::bigint order by sequence limit ${size})`;
  const own = `name = '${name}' and partition = $1::integer`;
  const moved = (checkpoint: string, condition: string): string => `moved as (
  update cqrs.processor set checkpoint = ${checkpoint}, checkpoint_at = clock_timestamp(), moves = moves + 1,
    attempts = 0, error = null, failing_since = null, retry_at = null
  where ${own} and moves = $2::bigint and not paused and ${condition} returning moves)`;
  const waits = (aggregate: string): string =>
    `exists (select from cqrs.dead_letter as letter where letter.processor = '${name}' and letter.aggregate_id = ${aggregate})`;
  const given = (first: number): string =>
    readsData ? ` left join unnest($${first}::bigint[], $${first + 1}::text[]) as given (sequence, data) using (sequence)` : '';
  const events = (rest: string, data: number): string => `events as materialized (
  select taken.sequence as position, taken.id, taken.type, ${readsData ? 'given.data' : 'null'}::jsonb as data,
    taken.aggregate_type, taken.aggregate_id, taken.aggregate_version, taken.command_id, taken.occurred_at
  from moved cross join taken${given(data)}${rest} order by taken.sequence)`;
  const effects = parts.map((part) => `${part.name} as (${part.text})`);
  const letter = (from: string, attempts = '0', error = 'null'): string => `insert into cqrs.dead_letter
    (processor, partition, sequence, aggregate_id, type, attempts, error)
  select '${name}', $1::integer, taken.sequence, taken.aggregate_id, taken.type, ${attempts}, ${error} from moved cross join ${from}`;

  const handling = (effectsOfReactions: readonly string[]): string =>
    statement([
      pageOf('$3', '$4'),
      `taken as materialized (${eventsOf('page')})`,
      moved('$4::bigint', 'exists (select from taken)'),
      react
        ? 'waiting as (select unnest($5::bigint[]) as sequence)'
        : `waiting as materialized (select sequence from taken where ${waits('taken.aggregate_id')})`,
      `behind as (${letter('taken join waiting using (sequence)')} returning sequence)`,
      ...(parts.length > 0 ? [events(' where taken.sequence not in (select sequence from waiting)', 5), ...effects] : []),
      ...effectsOfReactions,
    ]).concat(`
select (select count(*) from taken)::integer as taken, (select count(*) from behind)::integer as behind, (select moves from moved) as moves`);

  return {
    read: `with ${pageOf('$2', '$3')}
select event.*${react ? `, ${CORRELATION}` : ''}, ${waits('event.aggregate_id')} as is_parked
from (${eventsOf('page')}${partitions === 1 ? ' and $1::integer is not null' : ''}) as event order by sequence`,

    handle: handling([]),
    leave: handling(effectParts(name, '$6')),

    drain: statement([
      moved('checkpoint', `exists (select from cqrs.dead_letter where processor = '${name}' and sequence = $3::bigint)`),
      `letter as (
  delete from cqrs.dead_letter using moved where processor = '${name}' and sequence = $3::bigint returning sequence)`,
      'page as materialized (select feed.* from letter join cqrs.feed using (sequence))',
      `taken as materialized (${eventsOf('page')})`,
      ...(parts.length > 0 ? [events('', 4), ...effects] : []),
      ...(react ? effectParts(name, '$4') : []),
    ]).concat(`
select (select count(*) from letter)::integer as taken, 0 as behind, (select moves from moved) as moves`),

    park: statement([
      'page as materialized (select * from cqrs.feed where sequence = $3::bigint)',
      `taken as materialized (${eventsOf('page')})`,
      moved('$3::bigint', 'exists (select from taken)'),
      `parked as (${letter('taken', '$4::integer', '$5::text')} returning sequence)`,
    ]).concat(`
select (select count(*) from taken)::integer as taken, 0 as behind, (select moves from moved) as moves`),
  };
}

/** By the primary key: an event has the time of its command. */
const CORRELATION = `(select record.correlation_id from cqrs.command_log as record
  where record.received_at = event.occurred_at and record.command_id = event.command_id) as correlation_id`;

const statement = (parts: readonly string[]): string => `with ${parts.join(',\n')}`;

/**
 * The number by which an aggregate has its partition: of its id's last two bytes, which are random in ids of versions 4 and 7. No function of
 * PostgreSQL, so that it is the same in each of its versions.
 */
export const partitionOf = (id: string): string => `('x' || right(${id}::text, 4))::bit(16)::integer`;

/** How a processor stands; `own` of ProcessorStatements. */
export const STATE = `select checkpoint, moves, paused, attempts from cqrs.processor where name = $1 and partition = $2`;

/** Moves the checkpoint over events that the processor does not take. */
export const SKIP = `update cqrs.processor set checkpoint = $4, checkpoint_at = clock_timestamp(), moves = moves + 1
  where name = $1 and partition = $2 and moves = $3 and not paused and checkpoint < $4 returning moves`;

/** Counts a try that failed for the reason $4, where $5 says so; there is another in $6 milliseconds. */
export const FAILED = `update cqrs.processor set attempts = attempts + $5::integer, moves = moves + 1, error = $4,
    failing_since = coalesce(failing_since, clock_timestamp()), retry_at = clock_timestamp() + $6::integer * interval '1 ms'
  where name = $1 and partition = $2 and moves = $3 and not paused returning moves, attempts`;

/** The first letter of each aggregate that is to be tried: again, or for the first time because those before it are gone. */
export const TO_DRAIN = `select sequence from cqrs.dead_letter as letter
  where processor = $1 and partition = $2 and (retry or attempts = 0)
    and not exists (select from cqrs.dead_letter as earlier where earlier.processor = letter.processor
      and earlier.aggregate_id = letter.aggregate_id and earlier.sequence < letter.sequence)
  order by sequence limit 100`;

/** Notes that a dead letter failed once more, for the reason $3. */
export const STILL_DEAD = `update cqrs.dead_letter set retry = false, attempts = attempts + 1, error = $3
  where processor = $1 and sequence = $2`;

/**
 * The sessions in which batches run. What a crash undoes, it undoes with the checkpoint: no disk is waited for. Plans that were made while the
 * tables were small stay good when they have grown.
 */
export const PROCESSOR_SESSION: Readonly<Record<string, string>> = {
  synchronous_commit: 'off',
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
  jit: 'off',
};
