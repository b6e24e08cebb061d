import { createHmac } from 'node:crypto';
import type pg from 'pg';
import type { Cancellation } from '../../bus/cancellation.ts';
import { cancellableRows } from '../cancellable-query.ts';

/**
 * What becomes of a guess that is about to be made.
 *
 * - `admitted`: it may be made, and has to end with `wrong`, `right` or `takeBack`.
 * - `held`: as many are under way as may still be wrong. What comes of them decides.
 * - `blocked`: too many were wrong in a row. The next one may be made after `retryAfterMs`.
 * - `ended`: a hundred were wrong in a row, and no more are let through.
 */
export interface Admission {
  readonly state: 'admitted' | 'held' | 'blocked' | 'ended';
  /** In milliseconds; 0 unless blocked. */
  readonly retryAfterMs: number;
}

/** One count of wrong guesses in a row. */
export interface Count {
  /** A digest: see `guessTargets`. */
  readonly target: Buffer;
  /** As many wrong guesses cost no wait. */
  readonly free: number;
  /** For the count of one client: what the client guesses at. `forget` finds it by that. */
  readonly account?: Buffer;
}

/** After so many wrong guesses in a row no more are let through (NIST SP 800-63B-4, 3.2.2). */
export const MOST_GUESSES = 100;

/** How long a client that guessed right is known, in days. */
export const KNOWN_DAYS = 90;

/**
 * Digests of what is guessed at, so that the tables hold no name that could be read or tried out. Names that differ in case, in
 * composition or by white space around them are the same.
 */
export function guessTargets(key: Buffer): (kind: string, ...names: readonly string[]) => Buffer {
  return (kind, ...names) => {
    const values = names.map((name) => name.trim().normalize('NFC').toLowerCase());
    return createHmac('sha256', key)
      .update([kind, ...values].join('\0'))
      .digest();
  };
}

/** A call takes 30 seconds at most, so what is pending for a minute was left behind by an instance that ended. It counts as wrong. */
const STALE = `last_at < now() - interval '1 minute'`;
const STALE_ROW = `row.${STALE}`;

/**
 * Counts the guess as pending before anybody knows how it ends: those that come at once cannot be wrong more often than those that come
 * one after the other. Two of them meet at the row, and the second sees what the first has counted. One that is not admitted changes
 * nothing, and as a rule only reads.
 */
const BEGIN = `with known as (
  select failures, pending, blocked_until, ${STALE} as is_stale from cqrs.guess where target = $1
), admitted as (
  insert into cqrs.guess as row (target, account, failures, pending, blocked_until, last_at)
  select $1, $3, 0, 1, '-infinity', now()
  where not exists (select from known
    where failures >= ${MOST_GUESSES} or blocked_until > now() or (pending > 0 and not is_stale and failures + pending > $2))
  on conflict (target) do update set
    failures = row.failures + case when ${STALE_ROW} then row.pending else 0 end,
    pending = 1 + case when ${STALE_ROW} then 0 else row.pending end,
    last_at = now()
  where row.failures < ${MOST_GUESSES} and row.blocked_until <= now()
    and (row.pending = 0 or ${STALE_ROW} or row.failures + row.pending <= $2)
  returning target
)
select 'admitted' as state, 0::float8 as "retryAfterMs" from admitted
union all
select case when failures >= ${MOST_GUESSES} then 'ended' when blocked_until > now() then 'blocked' else 'held' end,
  greatest(0, case when blocked_until > now() then extract(epoch from blocked_until - now()) * 1000 else 0 end)::float8
from known where not exists (select from admitted)`;

/** Beyond those that are free, each has the next one wait: 1 second, 2, 4 and so on, at most 15 minutes. */
const WRONG = `insert into cqrs.guess as row (target, account, failures, pending, blocked_until, last_at)
  values ($1, $3, 1, 0, '-infinity', now())
  on conflict (target) do update set
    failures = row.failures + 1,
    pending = greatest(row.pending - 1, 0),
    blocked_until = case when row.failures < $2 then '-infinity'
      else now() + least(interval '15 minutes', interval '1 second' * 2 ^ least(row.failures - $2, 10)) end,
    last_at = now()`;

const TAKE_BACK = `with first as (delete from cqrs.guess where target = $1 and failures = 0 and pending <= 1)
  update cqrs.guess set pending = pending - 1 where target = $1 and pending > 0 and (failures > 0 or pending > 1)`;

const FORGET = 'delete from cqrs.guess where target = any ($1)';

const KNOWS = 'select from cqrs.known_client where account = $1 and client = $2';

/** Whoever logs in all day is written down once a day. */
const REMEMBER = `insert into cqrs.known_client as known (account, client, last_at) values ($1, $2, now())
  on conflict (account, client) do update set last_at = now() where known.last_at < now() - interval '1 day'`;

/** Everything that is counted at accounts, and who is known there, inside somebody's transaction; the one parameter is an array of digests. */
export const FORGET_ACCOUNTS = `with client as (delete from cqrs.known_client where account = any ($1))
  delete from cqrs.guess where target = any ($1) or account = any ($1)`;

/** The same, but clients stay known. */
export const FORGET_GUESSES = 'delete from cqrs.guess where target = any ($1) or account = any ($1)';

/** A batch at a time, so that nobody waits long for a row. */
const BATCH = 500;

/** Counts that a right guess or an operator has to end are kept; the others go after a day, so that strangers cannot fill the disk. */
const SWEEP = `delete from cqrs.guess where target in (
  select target from cqrs.guess where last_at < now() - interval '1 day' and failures <= 10
  order by last_at limit $1 for update skip locked
)`;

const SWEEP_CLIENTS = `delete from cqrs.known_client where (account, client) in (
  select account, client from cqrs.known_client where last_at < now() - interval '${KNOWN_DAYS} days'
  order by last_at limit $1 for update skip locked
)`;

/** Wrong guesses in a row; all instances count together, by the database's clock. */
export class Guesses {
  readonly #pool: pg.Pool;

  /** On the primary, as a role that may write. */
  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async begin({ target, free, account }: Count, cancellation: Cancellation): Promise<Admission> {
    // No row says that another one changed the count while this statement waited for it; the next statement sees that.
    for (;;) {
      const [admission] = await cancellableRows<Admission & pg.QueryResultRow>(
        this.#pool,
        { text: BEGIN, values: [target, free, account ?? null] },
        cancellation,
      );
      if (admission) return admission;
    }
  }

  async wrong({ target, free, account }: Count): Promise<void> {
    await this.#pool.query(WRONG, [target, free, account ?? null]);
  }

  /** The guess ended without saying whether it was right. */
  async takeBack({ target }: Count): Promise<void> {
    await this.#pool.query(TAKE_BACK, [target]);
  }

  /** A guess was right: the next wrong one is the first again. */
  async right(counts: readonly Count[]): Promise<void> {
    await this.#pool.query(FORGET, [counts.map(({ target }) => target)]);
  }

  /** Whether the client guessed right at the account within the last 90 days. */
  async knows(account: Buffer, client: Buffer): Promise<boolean> {
    const { rowCount } = await this.#pool.query(KNOWS, [account, client]);
    return rowCount === 1;
  }

  async remember(account: Buffer, client: Buffer): Promise<void> {
    await this.#pool.query(REMEMBER, [account, client]);
  }

  /** Removes what is not needed any more. */
  async sweep(): Promise<void> {
    for (const text of [SWEEP, SWEEP_CLIENTS]) {
      for (let removed: number | null = BATCH; removed === BATCH; ) {
        ({ rowCount: removed } = await this.#pool.query(text, [BATCH]));
      }
    }
  }
}
