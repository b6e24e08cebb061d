import { isAlive } from '../instances.ts';

/** A timer that is due and that this instance sends now: a row of CLAIM. */
export interface DueTimer {
  readonly id: string;
  readonly process: string;
  readonly key: string;
  /** `orders.v1.CommandService/CancelOrder` */
  readonly method: string;
  readonly request: Buffer;
  readonly accepts: readonly string[];
  readonly event_id: string;
  readonly correlation_id: string;
  readonly traceparent: string;
  readonly due_at: Date;
}

/** A row of CLAIM: without a timer, it says when there will be one. */
export type ClaimRow = { readonly next_in: number | null } & (DueTimer | { readonly id: null });

const DUE = 'greatest(due_at, retry_at)';
/** `process` is no condition for an index: those that are due are found by when they are, in that order, however many wait. */
const OWN = `state = 'waiting' and process || '' = any($2::text[]) and method = any($3::text[])`;

/**
 * Removes the timers $5, whose commands were done, and claims up to $6 that are due, for the instance $1, which sends $4 at the moment. It takes those
 * of processes $2 with commands $3: others are for instances of another version. A claim ends with the instance. Two instances may send
 * one timer all the same, when one of them was only thought gone: what makes sure is the idempotency key.
 *
 * `next_in` says in how many milliseconds the next one is due; null where none waits.
 */
export const CLAIM = `with done as (delete from cqrs.timer where id = any($5::uuid[])),
due as (
  select id from cqrs.timer
  where ${OWN} and ${DUE} <= now() and id <> all($4::uuid[]) and id <> all($5::uuid[])
    and (claimed_by is null or claimed_by = $1::uuid
      or not exists (select from cqrs.instance where instance.id = timer.claimed_by and ${isAlive('instance')}))
  order by ${DUE} limit $6 for update skip locked),
claimed as (
  update cqrs.timer set claimed_by = $1::uuid where id = any (array(select id from due))
  returning id, process, key, method, request, accepts, event_id, correlation_id, traceparent, due_at),
next as (
  select (select ceil(extract(epoch from ${DUE} - now()) * 1000)::float8 from cqrs.timer where ${OWN} and ${DUE} > now()
    order by ${DUE} limit 1) as next_in)
select next.next_in, claimed.* from next left join claimed on true order by claimed.due_at`;

/** After so many refusals, a timer has failed. */
const MOST_REFUSALS = 3;
/** How long a timer rests after an attempt that failed, in milliseconds: doubled with each one, up to the most. */
const PAUSE = 100;
const LONGEST_PAUSE = 60_000;

/** Notes that an attempt of $1 failed for the reason $2; $3 is 1 for a refusal that waiting does not cure, and else 0. */
export const FAILED = `update cqrs.timer set attempts = attempts + 1, refusals = refusals + $3::integer, error = $2,
    failing_since = coalesce(failing_since, clock_timestamp()), claimed_by = null,
    retry_at = clock_timestamp() + least(${LONGEST_PAUSE}, ${PAUSE} * 2 ^ least(attempts, 20)) * interval '1 ms',
    state = case when refusals + $3::integer >= ${MOST_REFUSALS} then 'failed' else 'waiting' end
  where id = $1 returning state`;
