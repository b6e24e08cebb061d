/** How an attempted command ended, as stored in cqrs.command_log. */
export type Outcome =
  | 'succeeded'
  | 'rejected'
  | 'denied'
  | 'unauthenticated'
  | 'invalid'
  | 'timed_out'
  | 'failed'
  | 'throttled'
  | 'replayed';

/** What was tried: the part of a record that is known before the end. */
export interface Attempt {
  /** UUIDv7. */
  readonly commandId: string;
  /** The time in `commandId`. */
  readonly receivedAt: Date;
  readonly method: string;
  readonly principal: string;
  readonly roles: readonly string[];
  /** The log-in that the caller's token came from; empty where there is none. */
  readonly session: string;
  /** JSON text without secrets and without what is personal; null when the request has no JSON form. */
  readonly request: string | null;
  /** JSON text of `{ salt, fields }`; null when nothing is personal. */
  readonly personal: string | null;
  /** SHA-256 of `personal`: what a seal covers, so that `personal` can be erased. */
  readonly personalDigest: Buffer | null;
  readonly attempts: number;
  readonly durationUs: number;
  readonly traceId: string;
  readonly peer: string;
  readonly userAgent: string;
  /** Who vouched for the principal: the `iss` of the token; empty where there was none. */
  readonly issuer: string;
}

/** The one aggregate that a command was about, as far as it came to that. */
export interface Target {
  readonly aggregateType: string;
  readonly aggregateId: string;
  /** Undefined for a new aggregate. */
  readonly versionBefore: number | undefined;
  /** Undefined when it was not changed. */
  readonly versionAfter: number | undefined;
  readonly eventIds: readonly string[];
}

/** One row of cqrs.command_log. */
export interface CommandRecord extends Attempt {
  readonly outcome: Outcome;
  /** The name of the gRPC code. */
  readonly code: string;
  readonly reason: string;
  readonly dryRun: boolean;
  /** Outcome `replayed`: the command whose answer was given again. */
  readonly answeredBy: string | undefined;
  readonly target: Target | undefined;
  /** No column: names of the people whose personal data the record holds, beside its target. See `OwnerDigest`. */
  readonly owners: readonly string[];
}

/**
 * The record of a success inside the statement that writes the aggregate. Parameters 1 to 7 are those of the events
 * (`AggregateSql`), from `first` on they are `successParameters`.
 */
export function storeSuccess(key: string, first: number): string {
  const [
    method,
    principal,
    roles,
    session,
    request,
    personal,
    digest,
    before,
    attempts,
    duration,
    traceId,
    peer,
    userAgent,
    issuer,
  ] = SUCCESS_TYPES.map((type, index) => `$${first + index}::${type}`);
  return `insert into cqrs.command_log
    (command_id, received_at, method, principal, roles, session, request, personal, personal_digest, outcome, code, reason, dry_run,
     aggregate_type, aggregate_id, version_before, version_after, event_ids, attempts, duration_us, trace_id, peer, user_agent, issuer)
  select $3, $5, ${method}, ${principal}, ${roles}, ${session}, ${request}, ${personal}, ${digest}, 'succeeded', 'OK', '', false,
    $1, written.${key}, ${before}, $2, $6::uuid[], ${attempts}, ${duration}, ${traceId}, ${peer}, ${userAgent}, ${issuer}
  from written`;
}

const SUCCESS_TYPES = [
  'text',
  'text',
  'text[]',
  'text',
  'json',
  'json',
  'bytea',
  'integer',
  'integer',
  'integer',
  'text',
  'text',
  'text',
  'text',
] as const;

export const SUCCESS_PARAMETERS = SUCCESS_TYPES.length;

export function successParameters(attempt: Attempt, versionBefore: number | undefined): readonly unknown[] {
  const {
    method,
    principal,
    roles,
    session,
    request,
    personal,
    personalDigest,
    attempts,
    durationUs,
    traceId,
    peer,
    userAgent,
    issuer,
  } = attempt;
  return [
    method,
    principal,
    roles,
    session,
    request,
    personal,
    personalDigest,
    versionBefore ?? null,
    attempts,
    durationUs,
    traceId,
    peer,
    userAgent,
    issuer,
  ];
}

/** Stores any number of records; the one parameter is `recordsParameter`. A record that is there already stays as it is. */
export const STORE_RECORDS = `insert into cqrs.command_log
    (command_id, received_at, method, principal, roles, session, request, personal, personal_digest, outcome, code, reason, dry_run, answered_by,
     aggregate_type, aggregate_id, version_before, version_after, event_ids, attempts, duration_us, trace_id, peer, user_agent, issuer)
  select command_id, received_at, method, principal, roles, session, request::json, personal::json, decode(personal_digest, 'hex'),
    outcome, code, reason, dry_run, answered_by,
    aggregate_type, aggregate_id, version_before, version_after, event_ids, attempts, duration_us, trace_id, peer, user_agent, issuer
  from json_to_recordset($1::json) as record (
    command_id uuid, received_at timestamptz, method text, principal text, roles text[], session text, request text, personal text,
    personal_digest text, outcome text, code text, reason text, dry_run boolean, answered_by uuid,
    aggregate_type text, aggregate_id uuid, version_before integer, version_after integer, event_ids uuid[],
    attempts integer, duration_us integer, trace_id text, peer text, user_agent text, issuer text)
  on conflict (received_at, command_id) do nothing`;

/** One text for all records, so that the statement is the same for any number of them. */
export function recordsParameter(records: readonly CommandRecord[]): string {
  return JSON.stringify(
    records.map(({ target, ...record }) => ({
      command_id: record.commandId,
      received_at: record.receivedAt.toISOString(),
      method: record.method,
      principal: record.principal,
      roles: record.roles,
      session: record.session,
      request: record.request,
      personal: record.personal,
      personal_digest: record.personalDigest?.toString('hex'),
      outcome: record.outcome,
      code: record.code,
      reason: record.reason,
      dry_run: record.dryRun,
      answered_by: record.answeredBy,
      aggregate_type: target?.aggregateType,
      aggregate_id: target?.aggregateId,
      version_before: target?.versionBefore,
      version_after: target?.versionAfter,
      event_ids: target?.eventIds ?? [],
      attempts: record.attempts,
      duration_us: record.durationUs,
      trace_id: record.traceId,
      peer: record.peer,
      user_agent: record.userAgent,
      issuer: record.issuer,
    })),
  );
}
