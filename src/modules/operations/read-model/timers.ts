import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type TimerSchema, TimerState, type TimersSchema } from '#gen/operations/v1/query_service_pb.js';
import { TIMER_COUNTS, type TimerCounts } from '../../../kernel/feed/timers/timer-counts.ts';
import { durationOf } from './duration-of.ts';
import { statement } from './statement.ts';

export const timerCounts = statement<TimerCounts>(TIMER_COUNTS);

/** Of all process managers and reactors together. */
export function toTimers(rows: readonly TimerCounts[]): MessageInitShape<typeof TimersSchema> {
  const sum = (of: 'waiting' | 'due' | 'failed'): bigint => BigInt(rows.reduce((total, row) => total + row[of], 0));
  const [next] = rows.flatMap(({ next_due_at }) => next_due_at ?? []).toSorted((one, other) => one.getTime() - other.getTime());
  return {
    waiting: sum('waiting'),
    due: sum('due'),
    failed: sum('failed'),
    late: durationOf(Math.max(0, ...rows.map(({ late_seconds }) => late_seconds))),
    ...(next && { nextDueAt: timestampFromDate(next) }),
  };
}

export interface TimerRow {
  readonly id: string;
  readonly process: string;
  readonly process_key: string;
  readonly key: string;
  readonly method: string;
  readonly due_at: Date;
  readonly shown: keyof typeof STATES;
  readonly attempts: number;
  readonly error: string | null;
  readonly retry_at: Date | null;
  readonly event_id: string;
  readonly correlation_id: string;
}

const STATES = { waiting: TimerState.WAITING, due: TimerState.DUE, failed: TimerState.FAILED } as const;

/** One page. The parameters: whose, and in which state, or null for all; behind which time and id; how many. */
export const timerPage = statement<TimerRow>(`select id, process, process_key, key, method, due_at, shown, attempts, error,
    retry_at, event_id, correlation_id
  from cqrs.timer,
    lateral (select case when state = 'failed' then 'failed' when due_at > now() then 'waiting' else 'due' end as shown) as stands
  where ($1::text is null or process = $1) and ($2::text is null or shown = $2) and (due_at, id) > ($3::timestamptz, $4::uuid)
  order by due_at, id
  limit $5`);

/** As the statement calls it; null for all. */
export const shownAs = (wanted: TimerState): string | null =>
  Object.entries(STATES).find(([, state]) => state === wanted)?.[0] ?? null;

export const toTimer = (row: TimerRow): MessageInitShape<typeof TimerSchema> => ({
  timerId: row.id,
  process: row.process,
  processKey: row.process_key,
  key: row.key,
  method: row.method,
  dueAt: timestampFromDate(row.due_at),
  state: STATES[row.shown],
  attempts: row.attempts,
  error: row.error ?? '',
  ...(row.retry_at && row.shown !== 'failed' && { retryAt: timestampFromDate(row.retry_at) }),
  causationId: row.event_id,
  correlationId: row.correlation_id,
});
