import type { TestApp } from './test-app.ts';

/** One row of cqrs.command_log, as a test looks at it. */
export interface LoggedCommand {
  readonly command_id: string;
  readonly received_at: Date;
  readonly method: string;
  readonly principal: string;
  readonly roles: readonly string[];
  readonly session: string;
  readonly request: Record<string, unknown> | null;
  readonly personal: { readonly fields: Record<string, unknown> } | null;
  readonly outcome: string;
  readonly code: string;
  readonly reason: string;
  readonly dry_run: boolean;
  readonly answered_by: string | null;
  readonly aggregate_type: string | null;
  readonly aggregate_id: string | null;
  readonly version_before: number | null;
  readonly version_after: number | null;
  readonly event_ids: readonly string[];
  readonly attempts: number;
  readonly duration_us: number;
  readonly trace_id: string;
  readonly peer: string;
  readonly user_agent: string;
}

/** The records of an instance's database, oldest first. */
export async function commandLog(app: TestApp, condition = 'true', values: unknown[] = []): Promise<LoggedCommand[]> {
  return await app.database.query<LoggedCommand>(`select * from cqrs.command_log where ${condition} order by position`, values);
}

/** The record of one command. */
export async function recordOf(app: TestApp, commandId: string): Promise<LoggedCommand> {
  const [record, ...others] = await commandLog(app, 'command_id = $1', [commandId]);
  if (!record || others.length > 0) throw new Error(`${others.length + (record ? 1 : 0)} records of ${commandId}`);
  return record;
}
