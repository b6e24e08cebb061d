import { hash } from 'node:crypto';

/**
 * The columns of a record that are sealed: all but `personal`, which may be erased. Each as text or null, and none of them depends
 * on a setting of the session: times are milliseconds since the epoch, arrays JSON, bytes hexadecimal.
 * The order is part of the canonical form.
 */
const COLUMNS = {
  position: 'record.position::text',
  transaction_id: 'record.transaction_id::text',
  command_id: 'record.command_id::text',
  received_at: epochMs('record.received_at'),
  method: 'record.method',
  principal: 'record.principal',
  roles: 'array_to_json(record.roles)::text',
  session: 'record.session',
  request: 'record.request::text',
  personal_digest: "encode(record.personal_digest, 'hex')",
  outcome: 'record.outcome',
  code: 'record.code',
  reason: 'record.reason',
  dry_run: 'record.dry_run::text',
  answered_by: 'record.answered_by::text',
  aggregate_type: 'record.aggregate_type',
  aggregate_id: 'record.aggregate_id::text',
  version_before: 'record.version_before::text',
  version_after: 'record.version_after::text',
  event_ids: 'array_to_json(record.event_ids)::text',
  attempts: 'record.attempts::text',
  duration_us: 'record.duration_us::text',
  trace_id: 'record.trace_id',
  peer: 'record.peer',
  user_agent: 'record.user_agent',
} as const;

export type SealedColumn = keyof typeof COLUMNS;

/** Select list of the sealed columns of `cqrs.command_log as record`, to be read as arrays of text: see `TEXT_ROWS`. */
export const SEALED_COLUMNS = Object.values(COLUMNS).join(', ');

const NAMES = Object.keys(COLUMNS) as SealedColumn[];

/** How many columns SEALED_COLUMNS selects. */
export const SEALED_COLUMN_COUNT = NAMES.length;

/** Values of SEALED_COLUMNS, in their order. */
export type SealedValues = readonly (string | null)[];

/** For `pg`: rows as arrays of the text that the server sent. */
export const TEXT_ROWS = { rowMode: 'array', types: { getTypeParser: () => (text: string) => text } } as const;

/** Milliseconds since the epoch as text, whatever the session's time zone; `infinity` too has a text. */
export function epochMs(column: string): string {
  return `trunc(extract(epoch from ${column}) * 1000)::text`;
}

export function placeOf(column: SealedColumn): number {
  return NAMES.indexOf(column);
}

const DOMAIN = 'bicameral command record 1';

/**
 * SHA-256 over the canonical form of a record: a JSON array (as `JSON.stringify` writes it, in UTF-8) of a name for the form and the
 * values. JSON keeps the bounds of the values and tells null from text.
 */
export function recordDigest(values: SealedValues): Buffer {
  return hash('sha256', JSON.stringify([DOMAIN, ...values]), 'buffer');
}

const PERSONAL_DIGEST = placeOf('personal_digest');

/** Whether the personal part is erased, or what it was when the record was made. */
export function isPersonalIntact(personal: string | null, values: SealedValues): boolean {
  return personal === null || hash('sha256', personal, 'hex') === values[PERSONAL_DIGEST];
}
