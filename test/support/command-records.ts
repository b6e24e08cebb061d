import { randomBytes } from 'node:crypto';
import type { TestDatabase } from './database.ts';

/** Columns of cqrs.command_log with the values that a test cares about. */
export interface RecordValues {
  /** As milliseconds since the epoch or RFC 3339; default now. */
  readonly receivedAt?: string | number;
  readonly commandId?: string;
  readonly method?: string;
  readonly principal?: string;
  readonly roles?: readonly string[];
  readonly session?: string;
  readonly request?: object | null;
  readonly personal?: object | null;
  readonly personalDigest?: Buffer | null;
  readonly outcome?: string;
  readonly code?: string;
  readonly reason?: string;
  readonly dryRun?: boolean;
  readonly answeredBy?: string | null;
  readonly aggregateType?: string | null;
  readonly aggregateId?: string | null;
  readonly versionBefore?: number | null;
  readonly versionAfter?: number | null;
  readonly eventIds?: readonly string[];
  readonly attempts?: number;
  readonly durationUs?: number;
  readonly traceId?: string;
  readonly peer?: string;
  readonly userAgent?: string;
  readonly causationId?: string;
  readonly correlationId?: string;
}

/** A UUIDv7 of that time. */
export function idAt(ms: number): string {
  const random = randomBytes(9).toString('hex');
  const digits = `${ms.toString(16).padStart(12, '0')}7${random.slice(0, 3)}8${random.slice(3, 18)}`;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Writes a record as the bus would, and answers its command's id. */
export async function addRecord(database: TestDatabase, values: RecordValues = {}): Promise<string> {
  const ms = new Date(values.receivedAt ?? Date.now()).getTime();
  const commandId = values.commandId ?? idAt(ms);
  const columns: Record<string, unknown> = {
    command_id: commandId,
    received_at: new Date(ms),
    method: values.method ?? 'users.v1.CommandService/ChangeName',
    principal: values.principal ?? 'tester',
    roles: values.roles ?? [],
    session: values.session ?? '',
    request: json(values.request),
    personal: json(values.personal),
    personal_digest: values.personalDigest ?? null,
    outcome: values.outcome ?? 'succeeded',
    code: values.code ?? 'OK',
    reason: values.reason ?? '',
    dry_run: values.dryRun ?? false,
    answered_by: values.answeredBy ?? null,
    aggregate_type: values.aggregateType ?? null,
    aggregate_id: values.aggregateId ?? null,
    version_before: values.versionBefore ?? null,
    version_after: values.versionAfter ?? null,
    event_ids: values.eventIds ?? [],
    attempts: values.attempts ?? 1,
    duration_us: values.durationUs ?? 1000,
    trace_id: values.traceId ?? '0af7651916cd43dd8448eb211c80319c',
    peer: values.peer ?? '192.0.2.1:4711',
    user_agent: values.userAgent ?? 'test',
    causation_id: values.causationId ?? null,
    correlation_id: values.correlationId ?? null,
  };
  const names = Object.keys(columns);
  await database.query(
    `insert into cqrs.command_log (${names.join(', ')}) values (${names.map((_, index) => `$${index + 1}`).join(', ')})`,
    Object.values(columns),
  );
  return commandId;
}

/** Gives every record that has none its place in the log. */
export async function sealRecords(database: TestDatabase): Promise<void> {
  await database.query(
    `insert into cqrs.command_seal (sequence, command_id, received_at, digest)
     select (select coalesce(max(sequence), 0) from cqrs.command_seal) + row_number() over (order by position), command_id, received_at, ''
     from cqrs.command_log as record
     where not exists (select from cqrs.command_seal as seal where seal.command_id = record.command_id)`,
  );
}

function json(value: object | null | undefined): string | null {
  return value ? JSON.stringify(value) : null;
}
