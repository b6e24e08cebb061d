import { type CompiledQuery, sql } from 'kysely';
import { readStatements } from '../../../kernel/database/read/read-statements.ts';

/** The one row of `statisticsOfDays`. */
export interface UserStatistics {
  /** By status. Where there are none, it may be absent. */
  readonly users: Readonly<Record<string, number>>;
  /** Newest first; days on which nothing happened are left out. */
  readonly days: readonly { readonly day: string; readonly sign_ups: number; readonly log_ins: number }[];
  /** The number of the event up to which all are counted, and when it happened. */
  readonly sequence: string | null;
  readonly occurred_at: Date | null;
}

/**
 * What the projection `user_statistics` keeps, with how far it has come: one statement, so that the one is true of the other. The parameter is
 * the number of days.
 */
export const statisticsOfDays: CompiledQuery<UserStatistics> = sql<UserStatistics>`
  select
    (select coalesce(jsonb_object_agg(status, users), '{}') from read.user_count) as users,
    (select coalesce(jsonb_agg(newest order by day desc), '[]')
     from (select day, sign_ups, log_ins from read.user_day order by day desc limit ${0}) as newest) as days,
    checkpoint as sequence, occurred_at
  from (select) as always
    left join cqrs.processor on name = 'user_statistics'
    left join cqrs.feed on sequence = checkpoint
    left join cqrs.event using (position)`.compile(readStatements());
