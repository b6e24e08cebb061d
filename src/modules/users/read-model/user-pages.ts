import { CompiledQuery } from 'kysely';
import type { Reader } from '../../../kernel/database/read/reader.ts';
import type { UserRow } from './user-directory.ts';
import type { Order, PageStart, Place, UserList } from './user-list.ts';
import type { UserSample, UserSamples } from './user-sample.ts';
import { collectedPart } from './user-search.ts';

/** How many users one call passes over at most to fill a page, to come to one by its number, or to count. */
export const MOST_PASSED = 50_000;

/** A row with what its place in the order is told by. */
type Placed<Row> = Row & { readonly id: string; readonly sort_key: string };

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

/** Whom a page is read for, and by what. */
export interface ListReading {
  readonly read: Pick<Reader, 'rows'>;
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
export async function readPage<Row = UserRow>(
  reading: ListReading,
  { columns, start, size }: { columns: readonly string[]; start: PageStart; size: number },
): Promise<UserPage<Row>> {
  const { read, samples, list, mostPassed = MOST_PASSED } = reading;
  // One row more than the page tells whether there is another page.
  const wanted = size + 1;
  const isFar = 'skip' in start && start.skip > mostPassed;
  const sample = list.search === '' && !isFar ? undefined : await samples.current(read);
  const part = list.search === '' || !sample ? undefined : collectedPart(sample, { search: list.search, wanted, mostPassed });
  const isCollected = part !== undefined;
  let from = start;
  let isEstimate = false;
  if (sample && !isCollected && 'skip' in start && start.skip > reach(sample, list, mostPassed)) {
    const place = sample.placeBehind(list, start.skip);
    if (!place) return { rows: [], next: undefined, isEstimate: true };
    from = { after: place };
    isEstimate = true;
  }

  const query: PageQuery = { list, columns, start: from, wanted, mostPassed };
  const statement = isCollected ? collectedPage(query, part) : list.search === '' ? plainPage(query) : passingPage(query);
  const rows = await read.rows(statement as CompiledQuery<Placed<Row>>);
  const page = rows.slice(0, size);
  if (rows.length > size) return { rows: page, next: placeOf(page.at(-1)), isEstimate };
  const isPassing = list.search !== '' && !isCollected;
  const [last] = isPassing ? await read.rows(lastPassed(query)) : [];
  return { rows: page, next: placeOf(last), isEstimate };
}

/** How many users the list holds: exactly where that can be told by looking at no more than `mostPassed`. */
export async function countUsers({ read, samples, list, mostPassed = MOST_PASSED }: ListReading): Promise<UserTotal> {
  const sample = await samples.current(read);
  const part = list.search === '' ? undefined : collectedPart(sample, { search: list.search, wanted: mostPassed, mostPassed });
  const [counted] = await read.rows(part === undefined ? passingCount(list, mostPassed) : collectedCount(list, part));
  const users = Number(counted?.users ?? 0);
  if (part !== undefined || Number(counted?.passed ?? 0) < mostPassed) return { users, isEstimate: false };
  return { users: Math.max(users, sample.count(list)), isEstimate: true };
}

/** After how many users of a list a page can begin that is found by passing over them. */
function reach(sample: UserSample, list: UserList, mostPassed: number): number {
  if (list.search === '') return mostPassed;
  return sample.total <= mostPassed ? Number.POSITIVE_INFINITY : (mostPassed * sample.count(list)) / sample.total;
}

const placeOf = (row: { sort_key: string; id: string } | undefined): Place | undefined => row && [row.sort_key, row.id];

interface PageQuery {
  readonly list: UserList;
  readonly columns: readonly string[];
  readonly start: PageStart;
  readonly wanted: number;
  readonly mostPassed: number;
}

const KEYS: Readonly<Record<Order, { readonly key: string; readonly type: string }>> = {
  created_at: { key: 'created_at', type: 'timestamptz' },
  email: { key: 'lower(email collate "C")', type: 'text' },
  name: { key: 'name_key', type: 'text' },
};

/** The values of a statement's parameters, in the order in which its text names them. */
class Values {
  readonly all: unknown[] = [];
  readonly add = (value: unknown): string => `$${this.all.push(value)}`;
}

/** A page without a search. */
export function plainPage({ list, columns, start, wanted }: PageQuery): CompiledQuery {
  const values = new Values();
  const { key } = KEYS[list.orderBy];
  if ('skip' in start && start.skip > 0) {
    const users = `select id, ${key} as key from read.user_directory where ${listed(list)} ${ordered(list, key)}
      limit ${values.add(wanted)} offset ${values.add(start.skip)}`;
    return CompiledQuery.raw(withColumns(columns, list, users), values.all);
  }
  const text = `select ${columns.join(', ')}, (${key})::text as sort_key from read.user_directory
    where ${conditions(listed(list), behind(list, start, values))} ${ordered(list, key)} limit ${values.add(wanted)}`;
  return CompiledQuery.raw(text, values.all);
}

/** A page of those who match among the next users in order. */
export function passingPage({ list, columns, start, wanted, mostPassed }: PageQuery): CompiledQuery {
  const values = new Values();
  const passed = passedUsers(list, { place: behind(list, start, values), mostPassed });
  const users = `select id, key from (${passed}) as passed where ${listed(list)} and search_text like ${values.add(containing(list.search))}
    ${ordered(list, 'key')} limit ${values.add(wanted)} offset ${values.add('skip' in start ? start.skip : 0)}`;
  return CompiledQuery.raw(withColumns(columns, list, users), values.all);
}

/** The last of the users that `passingPage` passes over; none where their order ends before. */
export function lastPassed({ list, start, mostPassed }: PageQuery): CompiledQuery<{ id: string; sort_key: string }> {
  const values = new Values();
  const passed = passedUsers(list, { place: behind(list, start, values), mostPassed });
  const text = `select id, key::text as sort_key from (${passed}) as passed ${ordered(list, 'key')} limit 1 offset ${mostPassed - 1}`;
  return CompiledQuery.raw(text, values.all) as CompiledQuery<{ id: string; sort_key: string }>;
}

/** A page of all who match, found by a part of the text and sorted. */
export function collectedPage({ list, columns, start, wanted }: PageQuery, part: string): CompiledQuery {
  const values = new Values();
  const { key } = KEYS[list.orderBy];
  const users = collectedUsers(list, part, values);
  const text = `select ${columns.join(', ')}, (${key})::text as sort_key from ${users} ${and(behind(list, start, values))}
    ${ordered(list, key)} limit ${values.add(wanted)} offset ${values.add('skip' in start ? start.skip : 0)}`;
  return CompiledQuery.raw(text, values.all);
}

interface Counted {
  readonly users: string;
  /** How many were looked at. */
  readonly passed: string;
}

export function passingCount(list: UserList, mostPassed: number): CompiledQuery<Counted> {
  const values = new Values();
  const matching = list.search === '' ? '' : and(`search_text like ${values.add(containing(list.search))}`);
  const passed = passedUsers({ ...list, orderBy: 'created_at', descending: false }, { mostPassed });
  const text = `select count(*) filter (where ${listed(list)} ${matching}) as users, count(*) as passed from (${passed}) as passed`;
  return CompiledQuery.raw(text, values.all) as CompiledQuery<Counted>;
}

export function collectedCount(list: UserList, part: string): CompiledQuery<Counted> {
  const values = new Values();
  const text = `select count(*) as users, 0 as passed from ${collectedUsers(list, part, values)}`;
  return CompiledQuery.raw(text, values.all) as CompiledQuery<Counted>;
}

/**
 * The next users in order, by the index alone, whether they match or not. The limit keeps what is asked of them from being asked while they are read: the planner
 * would believe that those who match are spread evenly, and pass over any number of others.
 */
function passedUsers(list: UserList, { place, mostPassed }: { place?: string | undefined; mostPassed: number }): string {
  const { key } = KEYS[list.orderBy];
  const few = isRare(list.status) ? listed(list) : undefined;
  const where = few || place ? `where ${conditions(few, place)}` : '';
  return `select id, ${key} as key, status, search_text from read.user_directory ${where} ${ordered(list, key)} limit ${mostPassed}`;
}

/** Those who match. `offset 0` keeps the index to the part, and the planner from taking another one. */
function collectedUsers(list: UserList, part: string, values: Values): string {
  const found = `select * from read.user_directory where search_text like ${values.add(containing(part))} offset 0`;
  return `(${found}) as found where ${listed(list)} and search_text like ${values.add(containing(list.search))}`;
}

/** Users by their ids, row by row, with what is shown of them. */
function withColumns(columns: readonly string[], list: UserList, users: string): string {
  return `select shown.*, key::text as sort_key from (${users}) as users
    cross join lateral (select ${columns.join(', ')} from read.user_directory as shown where shown.id = users.id offset 0) as shown
    ${ordered(list, 'key')}`;
}

function behind(list: UserList, start: PageStart, values: Values): string | undefined {
  if (!('after' in start)) return undefined;
  const { key, type } = KEYS[list.orderBy];
  const [sortKey, id] = start.after;
  return `(${key}, id) ${list.descending ? '<' : '>'} (${values.add(sortKey)}::${type}, ${values.add(id)}::uuid)`;
}

/** Users who are not active are few. The second condition lets the planner prove that the partial indexes hold all of them. */
function listed({ status }: UserList): string {
  if (status === undefined) return `status <> 'deleted'`;
  return isRare(status) ? `status = '${status}' and status <> 'active'` : `status = '${status}'`;
}

const isRare = (status: UserList['status']): boolean => status === 'suspended' || status === 'deleted';

function ordered({ descending }: UserList, key: string): string {
  const direction = descending ? 'desc' : 'asc';
  return `order by ${key} ${direction}, id ${direction}`;
}

const conditions = (...all: readonly (string | undefined)[]): string => all.filter((one) => one !== undefined).join(' and ');
const and = (condition: string | undefined): string => (condition === undefined ? '' : `and ${condition}`);

/** Matches the text anywhere; what LIKE reads as a wildcard stands for itself. */
const containing = (text: string): string => `%${text.replace(/[\\%_]/g, '\\$&')}%`;
