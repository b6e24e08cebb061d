import type { JsonObject } from '@bufbuild/protobuf';
import type { CommandRecord, Target } from './command-record.ts';

/** The types that columns of a record have, each with how its values are sent, read and sealed: see store-records.ts and canonical-record.ts. */
export type RecordColumnType =
  | 'bigint'
  | 'boolean'
  | 'bytea'
  | 'integer'
  | 'json'
  | 'text'
  | 'text[]'
  | 'timestamptz'
  | 'uuid'
  | 'uuid[]'
  | 'xid8';

export interface RecordColumn {
  readonly type: RecordColumnType;
  /** Whether it can be null. A column that came later is null in the records that were there already. */
  readonly nullable?: true;
  /**
   * The first form of a sealed record that holds it: see `SEALED_FORM`. In records that were sealed before, it has to be null, or it would be
   * a place for what nobody sealed. Undefined: it is not sealed, because it may be erased.
   */
  readonly since: number | undefined;
  /** The property of a `CommandRecord` that it stores; undefined where the database fills it. */
  readonly of: Exclude<keyof CommandRecord, 'target' | 'owners'> | `target.${keyof Target}` | undefined;
  /**
   * What it holds of a success, in the statement that writes the aggregate: SQL over `input`, the parameters of that statement. By default
   * it is a parameter of its own, `input.<name of the column>`: then `of` is a property of an `Attempt`, or the version before.
   */
  readonly ofSuccess?: string;
}

/**
 * The columns of cqrs.command_log. From this list come what stores a record, what reads one (src/modules/audit/read-model) and the form in
 * which it is sealed. A new column takes a migration, a line here, and its property in `CommandRecord` with the value that it has; the
 * compiler says where one of these is missing.
 *
 * Their order is part of the sealed form. So a new column goes to the end and has the next `since`, and is null in the records that are
 * there already. Its migration lets no earlier form be written any more (`cqrs.command_seal_batch.form`), so that a program of before,
 * still running, seals nothing without it.
 */
export const RECORD_COLUMNS = {
  position: { type: 'bigint', since: 1, of: undefined },
  transaction_id: { type: 'xid8', since: 1, of: undefined },
  command_id: { type: 'uuid', since: 1, of: 'commandId', ofSuccess: 'input.command_id' },
  received_at: { type: 'timestamptz', since: 1, of: 'receivedAt', ofSuccess: 'input.occurred_at' },
  method: { type: 'text', since: 1, of: 'method' },
  principal: { type: 'text', since: 1, of: 'principal' },
  roles: { type: 'text[]', since: 1, of: 'roles' },
  session: { type: 'text', since: 1, of: 'session' },
  request: { type: 'json', nullable: true, since: 1, of: 'request' },
  personal: { type: 'json', nullable: true, since: undefined, of: 'personal' },
  personal_digest: { type: 'bytea', nullable: true, since: 1, of: 'personalDigest' },
  outcome: { type: 'text', since: 1, of: 'outcome', ofSuccess: `'succeeded'` },
  code: { type: 'text', since: 1, of: 'code', ofSuccess: `'OK'` },
  reason: { type: 'text', since: 1, of: 'reason', ofSuccess: `''` },
  dry_run: { type: 'boolean', since: 1, of: 'dryRun', ofSuccess: 'false' },
  answered_by: { type: 'uuid', nullable: true, since: 1, of: 'answeredBy', ofSuccess: 'null' },
  aggregate_type: { type: 'text', nullable: true, since: 1, of: 'target.aggregateType', ofSuccess: 'input.aggregate_type' },
  aggregate_id: { type: 'uuid', nullable: true, since: 1, of: 'target.aggregateId', ofSuccess: 'input.aggregate_id' },
  version_before: { type: 'integer', nullable: true, since: 1, of: 'target.versionBefore' },
  version_after: { type: 'integer', nullable: true, since: 1, of: 'target.versionAfter', ofSuccess: 'input.aggregate_version' },
  event_ids: { type: 'uuid[]', since: 1, of: 'target.eventIds', ofSuccess: 'input.event_ids' },
  attempts: { type: 'integer', since: 1, of: 'attempts' },
  duration_us: { type: 'integer', since: 1, of: 'durationUs' },
  trace_id: { type: 'text', since: 1, of: 'traceId' },
  peer: { type: 'text', since: 1, of: 'peer' },
  user_agent: { type: 'text', since: 1, of: 'userAgent' },
  issuer: { type: 'text', nullable: true, since: 2, of: 'issuer' },
  request_excerpt: { type: 'boolean', nullable: true, since: 3, of: 'requestExcerpt', ofSuccess: 'false' },
  causation_id: { type: 'uuid', nullable: true, since: 4, of: 'causationId' },
  correlation_id: { type: 'uuid', nullable: true, since: 4, of: 'correlationId' },
} as const satisfies Readonly<Record<string, RecordColumn>>;

export type RecordColumnName = keyof typeof RECORD_COLUMNS;

/** Values of each type as `pg` reads them. */
interface ReadValues {
  readonly bigint: string;
  readonly boolean: boolean;
  readonly bytea: Buffer;
  readonly integer: number;
  readonly json: JsonObject;
  readonly text: string;
  readonly 'text[]': string[];
  readonly timestamptz: Date;
  readonly uuid: string;
  readonly 'uuid[]': string[];
  readonly xid8: string;
}

/** A row of cqrs.command_log as it is read. */
export type RecordRow = {
  readonly [Name in RecordColumnName]:
    | ReadValues[(typeof RECORD_COLUMNS)[Name]['type']]
    | ((typeof RECORD_COLUMNS)[Name] extends { nullable: true } ? null : never);
};

type Property = (typeof RECORD_COLUMNS)[RecordColumnName]['of'];
type Needed = Exclude<keyof CommandRecord, 'target' | 'owners'> | `target.${keyof Target}`;

/** Does not compile when a property of a record has no column: the error names it. */
({}) satisfies Readonly<Record<Exclude<Needed, Property>, never>>;
