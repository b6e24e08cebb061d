import { hash } from 'node:crypto';
import { RECORD_COLUMNS, type RecordColumn, type RecordColumnName, type RecordColumnType } from '../record-columns.ts';

/** A column of the log that is sealed: all but `personal`, which may be erased. */
type SealedColumn = RecordColumn & { readonly since: number };

const COLUMNS = (Object.entries(RECORD_COLUMNS) as [RecordColumnName, RecordColumn][]).filter(
  (column): column is [RecordColumnName, SealedColumn] => column[1].since !== undefined,
);
const NAMES = COLUMNS.map(([name]) => name);

/**
 * The form in which records are sealed now. Each batch says in which form it was sealed, and is verified in that one: a new column
 * begins a new form and changes nothing about what was sealed before.
 */
export const SEALED_FORM = Math.max(...COLUMNS.map(([, { since }]) => since));

/** Select list of the sealed columns of `cqrs.command_log as record`, to be read as arrays of text: see `TEXT_ROWS`. */
export const SEALED_COLUMNS = COLUMNS.map(([name, { type }]) => canonicalText(`record.${name}`, type)).join(', ');

/** How many columns SEALED_COLUMNS selects. */
export const SEALED_COLUMN_COUNT = NAMES.length;

/**
 * A column as text or null, the same whatever the settings of the session: times are milliseconds since the epoch, arrays JSON, bytes
 * hexadecimal.
 */
function canonicalText(column: string, type: RecordColumnType): string {
  switch (type) {
    case 'text':
      return column;
    case 'timestamptz':
      return epochMs(column);
    case 'bytea':
      return `encode(${column}, 'hex')`;
    case 'text[]':
    case 'uuid[]':
      return `array_to_json(${column})::text`;
    default:
      return `${column}::text`;
  }
}

/** Values of SEALED_COLUMNS, in their order. */
export type SealedValues = readonly (string | null)[];

/** For `pg`: rows as arrays of the text that the server sent. */
export const TEXT_ROWS = { rowMode: 'array', types: { getTypeParser: () => (text: string) => text } } as const;

/** Milliseconds since the epoch as text, whatever the session's time zone; `infinity` too has a text. */
export function epochMs(column: string): string {
  return `trunc(extract(epoch from ${column}) * 1000)::text`;
}

/** The place of a column among SEALED_COLUMNS. */
export function placeOf(column: RecordColumnName): number {
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

const FIRST_FORMS = COLUMNS.map(([, { since }]) => since);

const isInForm = (place: number, form: number): boolean => (FIRST_FORMS[place] ?? 0) <= form;

const PERSONAL_DIGEST = placeOf('personal_digest');

/** Whether the personal part is erased, or what it was when the record was made. */
export function isPersonalIntact(personal: string | null, values: SealedValues): boolean {
  return personal === null || hash('sha256', personal, 'hex') === values[PERSONAL_DIGEST];
}
