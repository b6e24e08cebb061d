import type { JsonObject, MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { sql } from 'kysely';
import { type CommandRecordSchema, Outcome } from '#gen/audit/v1/command_record_pb.js';
import { readStatements } from '../../../kernel/database/read/read-statements.ts';
import { wholeRequest } from './whole-request.ts';

/** cqrs.command_log: one row an attempted command, written by the bus and never changed. */
interface CommandLogTable {
  readonly command_id: string;
  /** The time in `command_id`. */
  readonly received_at: Date;
  readonly method: string;
  readonly principal: string;
  readonly roles: string[];
  readonly session: string;
  /** The request without what is secret or personal in it; null when there was none that could be read. */
  readonly request: JsonObject | null;
  /** What was personal in it; null when nothing was, or when it was erased. */
  readonly personal: { readonly salt: string; readonly fields: JsonObject } | null;
  /** Stays when what was personal is erased. */
  readonly personal_digest: Buffer | null;
  readonly outcome: OutcomeName;
  readonly code: string;
  readonly reason: string;
  readonly dry_run: boolean;
  readonly answered_by: string | null;
  readonly aggregate_type: string | null;
  readonly aggregate_id: string | null;
  readonly version_before: number | null;
  readonly version_after: number | null;
  readonly event_ids: string[];
  readonly attempts: number;
  readonly duration_us: number;
  readonly trace_id: string;
  readonly peer: string;
  readonly user_agent: string;
  readonly issuer: string | null;
}

/** cqrs.command_seal: the place of each sealed record in the log. */
interface CommandSealTable {
  readonly sequence: string;
  readonly command_id: string;
  readonly received_at: Date;
}

/** cqrs.event, as far as a record shows it. */
interface EventTable {
  readonly position: string;
  readonly id: string;
  readonly type: string;
  readonly payload: Buffer;
  readonly personal: Buffer | null;
  readonly aggregate_version: number;
}

export const statements = readStatements<{
  'cqrs.command_log': CommandLogTable;
  'cqrs.command_seal': CommandSealTable;
  'cqrs.event': EventTable;
}>();

const OUTCOMES = {
  succeeded: Outcome.SUCCEEDED,
  rejected: Outcome.REJECTED,
  denied: Outcome.DENIED,
  unauthenticated: Outcome.UNAUTHENTICATED,
  invalid: Outcome.INVALID,
  timed_out: Outcome.TIMED_OUT,
  failed: Outcome.FAILED,
  throttled: Outcome.THROTTLED,
  replayed: Outcome.REPLAYED,
} as const;

/** An outcome as the log names it. */
export type OutcomeName = keyof typeof OUTCOMES;

/** Undefined for OUTCOME_UNSPECIFIED. */
export function outcomeName(outcome: Outcome): OutcomeName | undefined {
  return (Object.keys(OUTCOMES) as OutcomeName[]).find((name) => OUTCOMES[name] === outcome);
}

/** The outcome that the log names so. */
export const outcomeOf = (name: OutcomeName): Outcome => OUTCOMES[name];

/** The columns that make a `CommandRecord`, of a table named `record`. */
export const RECORD_COLUMNS = [
  'record.command_id',
  'record.received_at',
  'record.method',
  'record.principal',
  'record.roles',
  'record.session',
  'record.request',
  'record.personal',
  sql<boolean>`record.personal_digest is not null and record.personal is null`.as('personal_erased'),
  'record.outcome',
  'record.code',
  'record.reason',
  'record.dry_run',
  'record.answered_by',
  'record.aggregate_type',
  'record.aggregate_id',
  'record.version_before',
  'record.version_after',
  'record.event_ids',
  'record.attempts',
  'record.duration_us',
  'record.trace_id',
  'record.peer',
  'record.user_agent',
  'record.issuer',
] as const;

/**
 * The record's place in the log, the first if somebody gave it two; null until it is sealed. Looked up for each row that is answered:
 * no estimate can make the planner read all seals for it.
 */
export const SEQUENCE = sql<string | null>`(select min(seal.sequence) from cqrs.command_seal as seal
  where seal.command_id = record.command_id and seal.received_at = record.received_at)`.as('sequence');

export type RecordRow = Omit<CommandLogTable, 'personal_digest'> & {
  readonly personal_erased: boolean;
  readonly sequence: string | null;
};

export function toCommandRecord(row: RecordRow): MessageInitShape<typeof CommandRecordSchema> {
  const { request, personal } = row;
  return {
    commandId: row.command_id,
    ...(row.sequence !== null && { sequence: BigInt(row.sequence) }),
    method: row.method,
    principal: row.principal,
    roles: row.roles,
    session: row.session,
    ...((request || personal) && { request: wholeRequest(request ?? {}, personal?.fields ?? {}) }),
    personalErased: row.personal_erased,
    outcome: outcomeOf(row.outcome),
    code: row.code,
    reason: row.reason,
    dryRun: row.dry_run,
    answeredBy: row.answered_by ?? '',
    aggregateType: row.aggregate_type ?? '',
    aggregateId: row.aggregate_id ?? '',
    ...(row.version_before !== null && { versionBefore: BigInt(row.version_before) }),
    ...(row.version_after !== null && { versionAfter: BigInt(row.version_after) }),
    eventIds: row.event_ids,
    attempts: row.attempts,
    receivedAt: timestampFromDate(row.received_at),
    duration: { seconds: BigInt(Math.floor(row.duration_us / 1e6)), nanos: (row.duration_us % 1e6) * 1000 },
    traceId: row.trace_id,
    peer: row.peer,
    userAgent: row.user_agent,
    issuer: row.issuer ?? '',
  };
}
