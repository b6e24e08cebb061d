/** How the timers of a process manager or reactor do: a row of TIMER_COUNTS. */
export interface TimerCounts {
  readonly process: string;
  /** Not due yet. */
  readonly waiting: number;
  /** Due, and not done. */
  readonly due: number;
  /** Given up, until somebody has them tried again. */
  readonly failed: number;
  /** How long the oldest of those that are due has been so. */
  readonly late_seconds: number;
  /** Of those that wait, the next. */
  readonly next_due_at: Date | null;
}

const MOST = 10_000;

/** By name, of those that have timers. Of all together up to 10,000 that wait or are due, the most urgent ones, and as many that failed. */
export const TIMER_COUNTS = `with pending as (
    select process, due_at, false as failed, due_at > now() as waits from cqrs.timer
    where state = 'waiting' order by greatest(due_at, retry_at) limit ${MOST}
  ), failed as (
    select process, due_at, true as failed, false as waits from cqrs.timer where state = 'failed' order by due_at limit ${MOST}
  )
  select process, count(*) filter (where waits)::int as waiting, count(*) filter (where not waits and not failed)::int as due,
    count(*) filter (where failed)::int as failed,
    coalesce(extract(epoch from now() - min(due_at) filter (where not waits and not failed)), 0)::float8 as late_seconds,
    min(due_at) filter (where waits) as next_due_at
  from (select * from pending union all select * from failed) as timer
  group by process order by process`;
