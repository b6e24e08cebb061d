import { type CompiledQuery, type RawBuilder, sql } from 'kysely';
import { readStatements, shapedStatement } from '../../../kernel/database/read/read-statements.ts';
import type { Reader } from '../../../kernel/database/read/reader.ts';
import type { Order, PageStart, Place, UserList } from './user-list.ts';
import type { UserSample, UserSamples } from './user-sample.ts';
import { collectedPart } from './user-search.ts';

/** How many users one call passes over at most to fill a page, to come to one by its number, or to count. */
export const MOST_PASSED = 20_000;

/** What its place in the order is told by. */
interface Placed {
  readonly id: string;
  readonly sort_key: string;
}

export interface UserPage<Row> {
  readonly rows: readonly Row[];
  /** Where the next page begins; undefined on the last one. */
  readonly next: Place | undefined;
  /** It was to begin after more users than one call counts: it begins nearly there. */
  readonly isEstimate: boolean;
}

export interface UserTotal {
  readonly users: number;
  readonly isEstimate: boolean;
}

/** Whose pages are read, and by what. */
export interface ListReading {
  /** Without `page`, short pages too have a connection of their own. */
  readonly read: Pick<Reader, 'rows'> & Partial<Pick<Reader, 'page'>>;
  readonly samples: UserSamples;
  readonly list: UserList;
  /** Default MOST_PASSED. */
  readonly mostPassed?: number;
}

/**
 * The users of a page, in order; ids break ties, so that nobody is on two pages or on none. A page that begins behind a user (a keyset) costs the
 * same wherever it is.
 *
 * A page of a search is found in one of two ways, and the sample says which costs less: by the index of trigrams, which finds all who match, to
 * be sorted; or by passing over users in their order until there are enough. Passing ends after `mostPassed` users, and the page has those that were found by then:
 * fewer than asked for, or none, and still a `next` (AIP-158).
 */
export async function readPage<Row>(
  { read, samples, list, mostPassed = MOST_PASSED }: ListReading,
  { statements, start, size }: { statements: PageStatements<Row>; start: PageStart; size: number },
): Promise<UserPage<Row>> {
  // One row more than the page tells whether there is another page.
  const wanted = size + 1;
  let begin = start;
  let way: Way = { kind: 'plain' };
  if (list.search !== '' || ('skip' in start && start.skip > mostPassed)) {
    const sample = await samples.current(read);
    way = wayOf(sample, list, { wanted, mostPassed });
    if (way.kind !== 'collected' && 'skip' in start && start.skip > reach(sample, list, mostPassed)) {
      const after = sample.placeBehind(list, start.skip);
      if (!after) return { rows: [], next: undefined, isEstimate: true };
      begin = { after };
    }
  }

  const values = valuesOf(list, { way, start: begin, wanted, mostPassed });
  const shape = shapeOf(list, begin);
  const statement = statements[way.kind](shape, values);
  const isShort = way.kind === 'plain' && shape.start !== 'after so many';
  const rows = await (isShort && read.page ? read.page(statement, wanted) : read.rows(statement));
  const page = rows.slice(0, size);
  const isFull = rows.length > size;
  const [last] = isFull ? page.slice(-1) : way.kind === 'passing' ? await read.rows(lastPassed(shape, values)) : [];
  return { rows: page, next: last && [last.sort_key, last.id], isEstimate: begin !== start };
}

/** How many users the list holds: exactly where that can be told by looking at no more than `mostPassed`. */
export async function countUsers({ read, samples, list, mostPassed = MOST_PASSED }: ListReading): Promise<UserTotal> {
  const sample = await samples.current(read);
  const way = wayOf(sample, list, { wanted: mostPassed, mostPassed });
  const isCollected = way.kind === 'collected';
  const shape = { status: list.status, isSearched: list.search !== '' };
  const [counted] = await read.rows((isCollected ? collectedCount : passingCount)(shape, valuesOf(list, { way, mostPassed })));
  const users = Number(counted?.users ?? 0);
  const isExact = isCollected || Number(counted?.passed ?? 0) < mostPassed;
  return isExact ? { users, isEstimate: false } : { users: Math.max(users, sample.count(list)), isEstimate: true };
}

/** How the users of a list are found. */
type Way = { readonly kind: 'plain' } | { readonly kind: 'passing' } | { readonly kind: 'collected'; readonly part: string };

function wayOf(sample: UserSample, { search }: UserList, limits: { wanted: number; mostPassed: number }): Way {
  if (search === '') return { kind: 'plain' };
  const part = collectedPart(sample, { search, ...limits });
  return part === undefined ? { kind: 'passing' } : { kind: 'collected', part };
}

/** After how many users of a list a page can begin that is found by passing over them. */
function reach(sample: UserSample, list: UserList, mostPassed: number): number {
  if (list.search === '') return mostPassed;
  return sample.total <= mostPassed ? Number.POSITIVE_INFINITY : (mostPassed * sample.count(list)) / sample.total;
}

/** What the text of a page's statement depends on. */
type PageShape = Pick<UserList, 'status' | 'orderBy' | 'descending'> & {
  readonly start: 'at the beginning' | 'after so many' | 'behind a user';
};

function shapeOf({ status, orderBy, descending }: UserList, start: PageStart): PageShape {
  const isFirst = 'skip' in start && start.skip === 0;
  const place = 'after' in start ? 'behind a user' : isFirst ? 'at the beginning' : 'after so many';
  return { status, orderBy, descending, start: place };
}

/** What its parameters are. */
interface Values {
  readonly pattern: string;
  /** Of the part by which users are collected. */
  readonly partPattern: string;
  readonly sortKey: string;
  readonly id: string;
  readonly skip: number;
  readonly wanted: number;
  readonly mostPassed: number;
}

type ValueOf = (name: keyof Values) => unknown;

/** For a page, or for a count, which has no start. */
export function valuesOf(
  { search }: UserList,
  call: { way: Way; mostPassed: number; start?: PageStart; wanted?: number },
): Values {
  const { way, mostPassed, start = { skip: 0 }, wanted = 0 } = call;
  const [sortKey, id] = 'after' in start ? start.after : ['', ''];
  const skip = 'skip' in start ? start.skip : 0;
  const partPattern = way.kind === 'collected' ? containing(way.part) : '';
  return { pattern: containing(search), partPattern, sortKey, id, skip, wanted, mostPassed };
}

/** Matches the text anywhere; what LIKE reads as a wildcard stands for itself. */
const containing = (text: string): string => `%${text.replace(/[\\%_]/g, '\\$&')}%`;

const KEYS: Readonly<Record<Order, { readonly key: string; readonly type: string }>> = {
  created_at: { key: 'created_at', type: 'timestamptz' },
  email: { key: 'lower(email collate "C")', type: 'text' },
  name: { key: 'name_key', type: 'text' },
};

type PageStatement<Row> = (shape: PageShape, values: Values) => CompiledQuery<Row & Placed>;

/** Pages with some columns of the users. */
export interface PageStatements<Row> {
  /** Without a search. */
  readonly plain: PageStatement<Row>;
  /** Those who match among the next users in order. */
  readonly passing: PageStatement<Row>;
  /** Of all who match, found by a part of the text and sorted. */
  readonly collected: PageStatement<Row>;
}

export function pageStatements<Row>(columns: readonly (keyof Row & string)[]): PageStatements<Row> {
  const shown = sql.raw(columns.join(', '));
  /** Users by their ids, one after the other. */
  const shownBy = (users: RawBuilder<unknown>, shape: PageShape): Written<Row & Placed> =>
    written(sql`select shown.*, key::text as sort_key from (${users}) as users
      cross join lateral (select ${shown} from read.user_directory where id = users.id offset 0) as shown ${ordered(shape, 'key', 'users.id')}`);
  return {
    plain: shapedStatement<PageShape, Values, Row & Placed>((shape, value) => {
      const key = sql.raw(KEYS[shape.orderBy].key);
      const from = sql`from read.user_directory ${where(listed(shape.status), behind(shape, value))} ${ordered(shape)} limit ${value('wanted')}`;
      if (shape.start === 'after so many') return shownBy(sql`select id, ${key} as key ${from} offset ${value('skip')}`, shape);
      return written(sql`select ${shown}, (${key})::text as sort_key ${from}`);
    }),
    passing: shapedStatement<PageShape, Values, Row & Placed>((shape, value) => {
      const matching = where(listed(shape.status), sql`search_text like ${value('pattern')}`);
      const users = sql`select id, key from (${passed(shape, value)}) as passed ${matching} ${ordered(shape, 'key')} limit ${value('wanted')}`;
      return shownBy(shape.start === 'after so many' ? sql`${users} offset ${value('skip')}` : users, shape);
    }),
    collected: shapedStatement<PageShape, Values, Row & Placed>((shape, value) => {
      const key = sql.raw(KEYS[shape.orderBy].key);
      const users = collected(shape.status, value, behind(shape, value));
      const page = sql`select ${shown}, (${key})::text as sort_key ${users} ${ordered(shape)} limit ${value('wanted')}`;
      return written(shape.start === 'after so many' ? sql`${page} offset ${value('skip')}` : page);
    }),
  };
}

/** The last of the users that are passed over; none where their order ends before. */
export const lastPassed = shapedStatement<PageShape, Values, Placed>((shape, value) =>
  written(sql`select id, key::text as sort_key from (${passed(shape, value)}) as passed ${ordered(shape, 'key')}
    limit 1 offset ${value('mostPassed')} - 1`),
);

interface CountShape {
  readonly status: UserList['status'];
  readonly isSearched: boolean;
}

interface Counted {
  readonly users: string;
  /** How many were looked at. */
  readonly passed: string;
}

export const passingCount = shapedStatement<CountShape, Values, Counted>(({ status, isSearched }, value) => {
  const matching = where(listed(status), isSearched ? sql`search_text like ${value('pattern')}` : undefined);
  const looked = passed({ status, orderBy: 'created_at', descending: false, start: 'at the beginning' }, value);
  return written(sql`select count(*) filter (${matching}) as users, count(*) as passed from (${looked}) as passed`);
});

export const collectedCount = shapedStatement<CountShape, Values, Counted>(({ status }, value) =>
  written(sql`select count(*) as users, 0 as passed ${collected(status, value)}`),
);

/**
 * The next users in order, by the index alone, whether they match or not. The limit keeps what is asked of them from being asked while they are read: the planner
 * would believe that those who match are spread evenly, and pass over any number of others.
 */
function passed(shape: PageShape, value: ValueOf): RawBuilder<unknown> {
  const few = isRare(shape.status) ? listed(shape.status) : undefined;
  return sql`select id, ${sql.raw(KEYS[shape.orderBy].key)} as key, status, search_text from read.user_directory
    ${where(few, behind(shape, value))} ${ordered(shape)} limit ${value('mostPassed')}`;
}

/** Those who match. `offset 0` has the index asked for the part alone, and keeps the planner from another one. */
function collected(status: UserList['status'], value: ValueOf, place?: RawBuilder<unknown>): RawBuilder<unknown> {
  const matching = where(listed(status), sql`search_text like ${value('pattern')}`, place);
  return sql`from (select * from read.user_directory where search_text like ${value('partPattern')} offset 0) as found ${matching}`;
}

function behind({ start, orderBy, descending }: PageShape, value: ValueOf): RawBuilder<unknown> | undefined {
  if (start !== 'behind a user') return undefined;
  const { key, type } = KEYS[orderBy];
  const than = sql.raw(descending ? '<' : '>');
  return sql`(${sql.raw(key)}, id) ${than} (${value('sortKey')}::${sql.raw(type)}, ${value('id')}::uuid)`;
}

/**
 * Nearly all users are active, which is said by what they are not: so the planner believes it before it has statistics. That the others are not active lets
 * it prove that the partial indexes hold all of them.
 */
function listed(status: UserList['status']): RawBuilder<unknown> {
  if (status === undefined) return sql`status <> 'deleted'`;
  if (!isRare(status)) return sql`status <> 'suspended' and status <> 'deleted'`;
  return sql`status = ${sql.lit(status)} and status <> 'active'`;
}

const isRare = (status: UserList['status']): boolean => status === 'suspended' || status === 'deleted';

function ordered({ orderBy, descending }: PageShape, key = KEYS[orderBy].key, id = 'id'): RawBuilder<unknown> {
  const direction = descending ? 'desc' : 'asc';
  return sql.raw(`order by ${key} ${direction}, ${id} ${direction}`);
}

function where(...conditions: readonly (RawBuilder<unknown> | undefined)[]): RawBuilder<unknown> {
  const all = conditions.filter((one) => one !== undefined);
  return all.length === 0 ? sql`` : sql`where ${sql.join(all, sql` and `)}`;
}

interface Written<Row> {
  readonly compile: () => CompiledQuery<Row>;
}

const written = <Row>(statement: RawBuilder<unknown>): Written<Row> => ({
  compile: () => statement.$castTo<Row>().compile(readStatements()),
});
