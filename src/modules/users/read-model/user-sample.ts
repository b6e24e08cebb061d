import { type CompiledQuery, sql } from 'kysely';
import { readStatements } from '../../../kernel/database/read/read-statements.ts';
import type { Reader } from '../../../kernel/database/read/reader.ts';
import type { UserRow } from './user-directory.ts';
import type { Order, Place, UserList } from './user-list.ts';

/** How many users a sample has, more or less. */
const SIZE = 3000;
/** What a row takes on its page, with its header, in bytes: where more, the sample is smaller. */
const ROW = 225;
/** How long a sample is used, in milliseconds; one of a directory that is small, and may soon be another, not so long. */
const LIFETIME = 10 * 60_000;
const SHORT_LIFETIME = 10_000;
const SMALL = 100_000;

interface SampledUser {
  readonly id: string;
  readonly status: UserRow['status'];
  readonly created_at: string;
  readonly email: string;
  readonly name: string;
  readonly search_text: string;
}

interface TableSize {
  readonly bytes: string;
  /** By the last ANALYZE or VACUUM; undefined when there was none. */
  readonly rows: number | null;
}

const TABLE_SIZE = sql<TableSize>`
  select pg_relation_size(oid) as bytes,
    case when reltuples > 0 and relpages > 0
      then reltuples / relpages * (pg_relation_size(oid) / current_setting('block_size')::integer) end as rows
  from pg_class where oid = 'read.user_directory'::regclass`.compile(readStatements());

/** Some pages of the table, by chance (PostgreSQL manual, SELECT, TABLESAMPLE). The parameter is how many in a hundred. */
const SAMPLE: CompiledQuery<SampledUser> = sql<SampledUser>`
  select id, status, created_at::text, lower(email collate "C") as email, name_key as name, search_text
  from read.user_directory tablesample system (${100}::real)`.compile(readStatements());

/**
 * Some users, taken by chance, of which shares and places in all of them are told: what the planner of PostgreSQL does not know of a text, or
 * believes wrongly.
 */
export class UserSample {
  /** How many users there are, deleted ones too, by estimate. */
  readonly total: number;
  readonly #users: readonly SampledUser[];
  readonly #sorted = new Map<Order, readonly SampledUser[]>();
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
    return this.#users.filter(({ search_text }) => texts.every((text) => search_text.includes(text))).length;
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
  const percent = Math.min(100, (100 * SIZE * ROW) / Math.max(1, Number(size?.bytes ?? 0)));
  const users = await read.rows(SAMPLE, [percent]);
  return new UserSample(users, percent === 100 ? users.length : (size?.rows ?? (users.length * 100) / percent));
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
