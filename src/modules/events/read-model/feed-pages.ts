import { type CompiledQuery, sql } from 'kysely';
import { readStatements, shapedStatement } from '../../../kernel/database/read/read-statements.ts';
import type { Reader } from '../../../kernel/database/read/reader.ts';
import { type EventList, isWhole } from './event-list.ts';
import { type EventTable, FEED_COLUMNS, type FeedRow, type FeedTable } from './feed-event.ts';

const statements = readStatements<{
  'cqrs.feed': FeedTable;
  'cqrs.event': EventTable;
  'cqrs.sequencer': { readonly last_sequence: string };
}>();

/**
 * How many places of the feed one statement looks at when only types are asked for: what is rare is found in steps, each of which
 * takes a moment, and not in one that reads the whole feed.
 */
const WINDOW = 50_000n;

/** Where the feed ends: the number of the last event that has one. */
export const lastSequence: CompiledQuery<{ last_sequence: string }> = statements
  .selectFrom('cqrs.sequencer')
  .select('last_sequence')
  .compile();

/** Some of the feed behind a place. */
export interface FeedPage {
  readonly rows: readonly FeedRow[];
  /** Up to here nothing is left out that is on the list. */
  readonly through: bigint;
  /** Whether there may be more behind it already. */
  readonly hasMore: boolean;
}

/**
 * So many events of a list behind a place, at most, and none behind `end`: without one, up to the last that has a number. One row more than
 * the page tells whether there is another page.
 */
export async function feedPage(
  read: Pick<Reader, 'rows'>,
  list: EventList,
  { after, limit, end }: { after: bigint; limit: number; end?: bigint },
): Promise<FeedPage> {
  if (isWhole(list)) {
    const rows = await read.rows(pageStatement(list, { after, limit: limit + 1 }));
    return firstOf(rows, { limit, end: BigInt(rows.at(-1)?.sequence ?? after) });
  }
  const last = end ?? (await lastOf(read));
  const until = list.aggregateId === undefined && after + WINDOW < last ? after + WINDOW : last;
  if (until <= after) return { rows: [], through: after, hasMore: false };
  const rows = await read.rows(pageStatement(list, { after, until, limit: limit + 1 }));
  const page = firstOf(rows, { limit, end: until });
  return { ...page, hasMore: page.hasMore || until < last };
}

async function lastOf(read: Pick<Reader, 'rows'>): Promise<bigint> {
  const [state] = await read.rows(lastSequence);
  return BigInt(state?.last_sequence ?? 0);
}

function firstOf(rows: readonly FeedRow[], { limit, end }: { limit: number; end: bigint }): FeedPage {
  if (rows.length <= limit) return { rows, through: end, hasMore: false };
  const page = rows.slice(0, limit);
  return { rows: page, through: BigInt(page.at(-1)?.sequence ?? end), hasMore: true };
}

type PageShape = Readonly<Record<keyof EventList | 'until', boolean>>;

interface PageValues extends EventList {
  readonly after: string;
  readonly until: string;
  readonly limit: number;
}

const page = shapedStatement<PageShape, PageValues, FeedRow>((has, value) => {
  // The events of one aggregate are few, and are found by its index: told to look for them along the feed, the planner might read all of it.
  const event = has.aggregateId
    ? sql<EventTable>`(select * from cqrs.event where aggregate_id = ${value('aggregateId')}::uuid offset 0)`
    : sql<EventTable>`cqrs.event`;
  let rows = statements
    .selectFrom('cqrs.feed as feed')
    .innerJoin(event.as('event'), 'event.position', 'feed.position')
    .select(FEED_COLUMNS)
    .where('feed.sequence', '>', value('after'))
    .orderBy('feed.sequence')
    .limit(value('limit'));
  if (has.until) rows = rows.where('feed.sequence', '<=', value('until'));
  if (has.types) rows = rows.where('event.type', '=', (any) => any.fn.any(any.val(value('types'))));
  if (has.aggregateType) rows = rows.where('event.aggregate_type', '=', value('aggregateType'));
  return rows;
});

/** The text depends on which filters there are and not on what they say. */
function pageStatement(
  { types, aggregateType, aggregateId }: EventList,
  { after, until, limit }: { after: bigint; until?: bigint; limit: number },
): CompiledQuery<FeedRow> {
  const shape = {
    types: types !== undefined,
    aggregateType: aggregateType !== undefined,
    aggregateId: aggregateId !== undefined,
    until: until !== undefined,
  };
  return page(shape, { types, aggregateType, aggregateId, after: String(after), until: String(until), limit });
}
