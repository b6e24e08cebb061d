import { hash } from 'node:crypto';

/**
 * The form in which records are sealed now. Each batch says in which form it was sealed, and is verified in that one: a new column
 * begins a new form and changes nothing about what was sealed before.
 */
export const SEALED_FORM = 2;

interface SealedColumn {
  /** As text or null, whatever the settings of the session: times are milliseconds since the epoch, arrays JSON, bytes hexadecimal. */
  readonly text: string;
  /** The first form that holds the column. In records sealed before, it has to be null, or it would be a place for what nobody sealed. */
  readonly since: number;
}

const since = (form: number, text: string): SealedColumn => ({ text, since: form });

/**
 * The columns of a record that are sealed: all but `personal`, which may be erased. Their order is part of the form. A new one goes to
 * the end with the next form, and is null in the records that are there already; its migration lets no earlier form be written any more
 * (`cqrs.command_seal_batch.form`), so that a program of before, still running, seals nothing without it.
 */
const COLUMNS = {
  position: since(1, 'record.position::text'),
  transaction_id: since(1, 'record.transaction_id::text'),
  command_id: since(1, 'record.command_id::text'),
  received_at: since(1, epochMs('record.received_at')),
  method: since(1, 'record.method'),
  principal: since(1, 'record.principal'),
  roles: since(1, 'array_to_json(record.roles)::text'),
  session: since(1, 'record.session'),
  request: since(1, 'record.request::text'),
  personal_digest: since(1, "encode(record.personal_digest, 'hex')"),
  outcome: since(1, 'record.outcome'),
  code: since(1, 'record.code'),
  reason: since(1, 'record.reason'),
  dry_run: since(1, 'record.dry_run::text'),
  answered_by: since(1, 'record.answered_by::text'),
  aggregate_type: since(1, 'record.aggregate_type'),
  aggregate_id: since(1, 'record.aggregate_id::text'),
  version_before: since(1, 'record.version_before::text'),
  version_after: since(1, 'record.version_after::text'),
  event_ids: since(1, 'array_to_json(record.event_ids)::text'),
  attempts: since(1, 'record.attempts::text'),
  duration_us: since(1, 'record.duration_us::text'),
  trace_id: since(1, 'record.trace_id'),
  peer: since(1, 'record.peer'),
  user_agent: since(1, 'record.user_agent'),
  issuer: since(2, 'record.issuer'),
} as const satisfies Readonly<Record<string, SealedColumn>>;

export type SealedColumnName = keyof typeof COLUMNS;

const NAMES = Object.keys(COLUMNS) as SealedColumnName[];

/** Select list of the sealed columns of `cqrs.command_log as record`, to be read as arrays of text: see `TEXT_ROWS`. */
export const SEALED_COLUMNS = Object.values(COLUMNS)
  .map(({ text }) => text)
  .join(', ');

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

export function placeOf(column: SealedColumnName): number {
  return NAMES.indexOf(column);
}

/**
 * SHA-256 over a record in a form: a JSON array (as `JSON.stringify` writes it, in UTF-8) of the name of the form and the values of its
 * columns. JSON keeps the bounds of the values and tells null from text.
 */
export function recordDigest(values: SealedValues, form: number): Buffer {
  const sealed = form >= SEALED_FORM ? values : values.filter((_, place) => isInForm(place, form));
  return hash('sha256', JSON.stringify([`bicameral command record ${form}`, ...sealed]), 'buffer');
}

/** Whether a record of that form says nothing in columns that came later. */
export function isWithinForm(values: SealedValues, form: number): boolean {
  return form >= SEALED_FORM || values.every((value, place) => value === null || isInForm(place, form));
}

const FIRST_FORMS = Object.values(COLUMNS).map((column) => column.since);

const isInForm = (place: number, form: number): boolean => (FIRST_FORMS[place] ?? 0) <= form;

const PERSONAL_DIGEST = placeOf('personal_digest');

/** Whether the personal part is erased, or what it was when the record was made. */
export function isPersonalIntact(personal: string | null, values: SealedValues): boolean {
  return personal === null || hash('sha256', personal, 'hex') === values[PERSONAL_DIGEST];
}
