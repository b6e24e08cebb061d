import type pg from 'pg';
import type { Cancellation } from '../cqrs/cancellation.ts';
import { cancellableRows } from './cancellable-query.ts';

/** A guess that was let through and counted, or the time until the next one may be made. */
export type Attempt =
  | { readonly admitted: true; readonly blockedUntil: string }
  | { readonly admitted: false; readonly retryAfterMs: number };

/**
 * Counts the attempt as a failure before anybody knows how it ends, and blocks the next ones from the sixth in a row on: 1 second,
 * 2, 4 and so on, at most 15 minutes. Two that come at once meet at the row, and the second sees what the first has counted. An
 * attempt during a block changes nothing, and as a rule only reads.
 */
const BEGIN = `with block as (
  select blocked_until from cqrs.guess where target = $1 and blocked_until > now()
), attempt as (
  insert into cqrs.guess as known (target, failures, blocked_until, last_at)
  select $1, 1, '-infinity', now() where not exists (select from block)
  on conflict (target) do update set
    failures = known.failures + 1,
    blocked_until = case when known.failures < 5 then '-infinity'
      else now() + least(interval '15 minutes', interval '1 second' * 2 ^ least(known.failures - 5, 10)) end,
    last_at = now()
  where known.blocked_until <= now()
  returning blocked_until
)
select true as admitted, blocked_until::text as "blockedUntil", 0::float8 as "retryAfterMs" from attempt
union all
select false, '', extract(epoch from blocked_until - now())::float8 * 1000 from block`;

/** Unless others have been counted since, the block that the attempt began ends with it. */
const TAKE_BACK = `with first as (delete from cqrs.guess where target = $1 and failures <= 1)
update cqrs.guess set
  failures = failures - 1,
  blocked_until = case when blocked_until = $2::timestamptz then '-infinity' else blocked_until end
where target = $1 and failures > 1`;

const FORGET = 'delete from cqrs.guess where target = $1';

/** A batch at a time, so that no attempt waits long for a row. */
const BATCH = 500;
const SWEEP = `delete from cqrs.guess where target in (
  select target from cqrs.guess where last_at < now() - interval '1 day' order by last_at limit $1 for update skip locked
)`;

/** Wrong guesses in a row, by a digest of what is guessed at; all instances count together, by the database's clock. */
export class Guesses {
  readonly #pool: pg.Pool;

  /** On the primary, as a role that may write. */
  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async begin(target: Buffer, cancellation: Cancellation): Promise<Attempt> {
    // No row says that another attempt began a block while this statement waited for it; the next statement sees that block.
    for (;;) {
      const [attempt] = await cancellableRows<Attempt & pg.QueryResultRow>(
        this.#pool,
        { text: BEGIN, values: [target] },
        cancellation,
      );
      if (attempt) return attempt;
    }
  }

  /** The guess was right: the next wrong one is the first again. */
  async forget(target: Buffer): Promise<void> {
    await this.#pool.query(FORGET, [target]);
  }

  /** The attempt ended without saying whether the guess was right. `blockedUntil` is what `begin` answered. */
  async takeBack(target: Buffer, blockedUntil: string): Promise<void> {
    await this.#pool.query(TAKE_BACK, [target, blockedUntil]);
  }

  /** Removes what is older than a day. */
  async sweep(): Promise<void> {
    for (let removed: number | null = BATCH; removed === BATCH; ) {
      ({ rowCount: removed } = await this.#pool.query(SWEEP, [BATCH]));
    }
  }
}
