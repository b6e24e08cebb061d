import { type DescField, type JsonObject, type MessageInitShape, ScalarType } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { sql } from 'kysely';
import { CommandRecordSchema, Outcome } from '#gen/audit/v1/command_record_pb.js';
import { RECORD_COLUMNS, type RecordColumnName, type RecordRow as Row } from '../../../kernel/command-log/record-columns.ts';
import { readStatements } from '../../../kernel/database/read/read-statements.ts';
import { wholeRequest } from './whole-request.ts';

/** cqrs.command_log: one row an attempted command, written by the bus and never changed. */
type CommandLogTable = Omit<Row, 'outcome' | 'personal'> & {
  readonly outcome: OutcomeName;
  /** What was personal in the request; null when nothing was, or when it was erased. */
  readonly personal: { readonly salt: string; readonly fields: JsonObject } | null;
};

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

/** Columns that nobody is shown; `personal_erased` says what there is to say of the digest. */
const HIDDEN = ['position', 'transaction_id', 'personal_digest'] as const satisfies RecordColumnName[];
type ShownColumn = Exclude<RecordColumnName, (typeof HIDDEN)[number]>;

const SHOWN = (Object.keys(RECORD_COLUMNS) as RecordColumnName[]).filter(
  (name): name is ShownColumn => !HIDDEN.some((hidden) => hidden === name),
);

/** What makes a `CommandRecord`, of a table named `record`. */
export const SHOWN_COLUMNS = [
  ...SHOWN.map((name) => `record.${name}` as const),
  sql<boolean>`record.personal_digest is not null and record.personal is null`.as('personal_erased'),
];

/**
 * The record's place in the log, the first if somebody gave it two; null until it is sealed. Looked up for each row that is answered:
 * no estimate can make the planner read all seals for it.
 */
export const SEQUENCE = sql<string | null>`(select min(seal.sequence) from cqrs.command_seal as seal
  where seal.command_id = record.command_id and seal.received_at = record.received_at)`.as('sequence');

export type RecordRow = Pick<CommandLogTable, ShownColumn> & {
  readonly personal_erased: boolean;
  readonly sequence: string | null;
};

type Shown = MessageInitShape<typeof CommandRecordSchema>;

/** The fields that are more than the column of their name. */
const MADE: { readonly [Name in keyof Shown]?: (row: RecordRow) => Shown[Name] } = {
  request: ({ request, personal }) => (request || personal ? wholeRequest(request ?? {}, personal?.fields ?? {}) : undefined),
  outcome: ({ outcome }) => outcomeOf(outcome),
  duration: ({ duration_us }) => ({ seconds: BigInt(Math.floor(duration_us / 1e6)), nanos: (duration_us % 1e6) * 1000 }),
};

/** How a row makes each field of the message: a field that is not made of several things is the column of its name. */
const FIELDS = CommandRecordSchema.fields.map((field) => {
  const make = MADE[field.localName as keyof Shown] as ((row: RecordRow) => unknown) | undefined;
  const column = field.name as keyof RecordRow;
  return [field.localName, make ?? ((row: RecordRow) => toField(field, row[column]))] as const;
});

/** A record as it is shown. A column that is null is unset. */
export function toCommandRecord(row: RecordRow): Shown {
  const shown: Record<string, unknown> = {};
  for (const [name, make] of FIELDS) {
    const value = make(row);
    if (value !== null && value !== undefined) shown[name] = value;
  }
  return shown;
}

function toField(field: DescField, value: unknown): unknown {
  if (value instanceof Date) return timestampFromDate(value);
  const isLong = field.fieldKind === 'scalar' && field.scalar === ScalarType.INT64;
  return isLong && value !== null ? BigInt(value as string | number) : value;
}
