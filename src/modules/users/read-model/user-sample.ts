import { type CompiledQuery, sql } from 'kysely';
import { readStatements } from '../../../kernel/database/read/read-statements.ts';
import type { Reader } from '../../../kernel/database/read/reader.ts';
import type { UserRow } from './user-directory.ts';
import type { Order, Place, UserList } from './user-list.ts';

/** How many users a sample has, more or less, and from how many pages: users on one page signed up together. */
const SIZE = 3000;
const PAGES = 600;
/** How many rows are on a page, more or less. */
const ROWS_A_PAGE = 36;
/** How long a sample is used, in milliseconds; one of a directory that is small, and may soon be another, not so long. */
const LIFETIME = 10 * 60_000;
const SHORT_LIFETIME = 60_000;
const SMALL = 100_000;
/** How many numbers a sample remembers. */
const MOST_KNOWN = 1000;

interface SampledUser {
  readonly id: string;
  readonly status: UserRow['status'];
  readonly created_at: string;
  readonly email: string;
  readonly name: string;
  readonly search_text: string;
}

interface TableSize {
  readonly pages: string;
  /** By the last ANALYZE or VACUUM; undefined when there was none. */
  readonly rows: number | null;
}

const TABLE_SIZE = sql<TableSize>`
  select pages, case when reltuples > 0 and relpages > 0 then reltuples / relpages * pages end as rows
  from pg_class, lateral (select pg_relation_size(oid) / current_setting('block_size')::integer as pages)
  where oid = 'read.user_directory'::regclass`.compile(readStatements());

/**
 * Some rows of some pages of the table, by chance (PostgreSQL manual, SELECT, TABLESAMPLE). The parameters are how many pages in a hundred, and how many of
 * their rows in one.
 */
const SAMPLE: CompiledQuery<SampledUser & { readonly page: number }> = sql<SampledUser & { readonly page: number }>`
  select id, status, created_at::text, lower(email collate "C") as email, name_key as name, search_text, (ctid::text::point)[0] as page
  from read.user_directory tablesample system (${100}::real) where random() < ${1}::float8`.compile(readStatements());

/**
 * Some users, taken by chance, of which shares and places in all of them are told: what the planner of PostgreSQL does not know of a text, or
 * believes wrongly.
 */
export class UserSample {
  /** How many users there are, deleted ones too, by estimate. */
  readonly total: number;
  readonly #users: readonly SampledUser[];
  readonly #sorted = new Map<Order, readonly SampledUser[]>();
  /** How many have what was asked for before: searches come again, page by page. */
  readonly #known = new Map<string, number>();
  /** How many have each three letters or digits in a row. */
  readonly #trigrams = new Map<string, number>();

  constructor(users: readonly SampledUser[], total: number) {
    this.#users = users;
    this.total = Math.max(total, users.length);
    for (const { search_text } of users)
      for (const trigram of new Set(trigramsOf(search_text))) this.#trigrams.set(trigram, this.withTrigram(trigram) + 1);
  }

  /** How many of all users one of the sample stands for. */
  get weight(): number {
    return this.#users.length === 0 ? 1 : this.total / this.#users.length;
  }

  withTrigram(trigram: string): number {
    return this.#trigrams.get(trigram) ?? 0;
  }

  /** How many of the sample have all of the texts, in name and address. */
  withAll(texts: readonly string[]): number {
    const key = texts.join('\n');
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const users = this.#users.filter(({ search_text }) => texts.every((text) => search_text.includes(text))).length;
    if (this.#known.size < MOST_KNOWN) this.#known.set(key, users);
    return users;
  }

  /** How many users a list has, by estimate. */
  count(list: UserList): number {
    return Math.round(this.#users.filter((user) => isOn(list, user)).length * this.weight);
  }

  /** Behind whom about so many users of a list stand. Undefined: there are not as many. */
  placeBehind(list: UserList, users: number): Place | undefined {
    const { orderBy, descending } = list;
    const sorted = this.#inOrder(orderBy).filter((user) => isOn(list, user));
    const index = Math.floor(users / this.weight);
    const user = sorted[descending ? sorted.length - 1 - index : index];
    return user && [user[orderBy], user.id];
  }

  #inOrder(order: Order): readonly SampledUser[] {
    const known = this.#sorted.get(order);
    if (known) return known;
    const sorted = this.#users.toSorted((one, other) => compare(one[order], other[order]) || compare(one.id, other.id));
    this.#sorted.set(order, sorted);
    return sorted;
  }
}

/** The newest sample, made by whoever needs one and finds it old. */
export class UserSamples {
  #latest: UserSample | undefined;
  #until = 0;
  #isTaking = false;

  async current(read: Pick<Reader, 'rows'>): Promise<UserSample> {
    if (this.#latest && (performance.now() < this.#until || this.#isTaking)) return this.#latest;
    this.#isTaking = true;
    try {
      this.#latest = await take(read);
      this.#until = performance.now() + (this.#latest.total < SMALL ? SHORT_LIFETIME : LIFETIME);
      return this.#latest;
    } finally {
      this.#isTaking = false;
    }
  }
}

async function take(read: Pick<Reader, 'rows'>): Promise<UserSample> {
  const [size] = await read.rows(TABLE_SIZE);
  const pages = Math.max(1, Number(size?.pages ?? 0));
  const percent = Math.min(100, (100 * PAGES) / pages);
  const share = Math.min(1, SIZE / (Math.min(PAGES, pages) * ROWS_A_PAGE));
  const users = await read.rows(SAMPLE, [percent, share]);
  if (percent === 100 && share === 1) return new UserSample(users, users.length);
  const taken = new Set(users.map(({ page }) => page)).size;
  return new UserSample(users, size?.rows ?? (users.length / share / Math.max(1, taken)) * pages);
}

/** As the index of trigrams has them: within words. */
export function trigramsOf(text: string): string[] {
  return (text.match(WORDS) ?? []).flatMap((word) => {
    const letters = [...word];
    return letters.slice(2).map((_, index) => letters.slice(index, index + 3).join(''));
  });
}

/** Runs of letters and digits. */
export const WORDS = /[\p{L}\p{N}]+/gu;

const isOn = ({ status, search }: UserList, user: SampledUser): boolean =>
  (status === undefined ? user.status !== 'deleted' : user.status === status) && user.search_text.includes(search);

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);
