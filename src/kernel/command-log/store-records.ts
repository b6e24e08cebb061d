import { sqlList } from '../database/sql-list.ts';
import type { Attempt, CommandRecord, Target } from './command-record.ts';
import { RECORD_COLUMNS, type RecordColumn, type RecordColumnName, type RecordColumnType } from './record-columns.ts';

/** The columns that a record brings along, in the order in which they are stored. */
const STORED = (Object.entries(RECORD_COLUMNS) as [RecordColumnName, RecordColumn][]).filter(([, { of }]) => of !== undefined);
const NAMES = sqlList(
  STORED.map(([name]) => name),
  '     ',
);

/** Those of a success that are parameters of their own. */
const PARAMETERS = STORED.filter(([, { ofSuccess }]) => ofSuccess === undefined);

/** What `STORE_SUCCESS` takes as columns of `input`, each with its type; their values are `successValues`. */
export const SUCCESS_INPUTS: Readonly<Record<string, string>> = Object.fromEntries(
  PARAMETERS.map(([name, { type }]) => [name, type]),
);

/**
 * The record of a success, for the statement that writes the aggregate. Of `input` it reads, beside SUCCESS_INPUTS, what the events do
 * (`EVENT_INPUTS`); `written` is the row that was written.
 */
export const STORE_SUCCESS = `insert into cqrs.command_log
    (${NAMES})
  select ${sqlList(STORED.map(([name, { ofSuccess = `input.${name}` }]) => ofSuccess))}
  from written, input`;

const VALUES = PARAMETERS.map(([, { of }]) => of) as readonly SuccessValue[];

/** Does not compile when a column that is a parameter of a success is of something that nobody knows then: the error names it. */
type SuccessValue = keyof Attempt | 'target.versionBefore';
type ParameterColumn = {
  [Name in RecordColumnName]: (typeof RECORD_COLUMNS)[Name] extends { ofSuccess: string }
    ? never
    : (typeof RECORD_COLUMNS)[Name]['of'];
}[RecordColumnName];
({}) satisfies Readonly<Record<Exclude<ParameterColumn, SuccessValue | undefined>, never>>;

export function successValues(attempt: Attempt, versionBefore: number | undefined): readonly unknown[] {
  return VALUES.map((of) => (of === 'target.versionBefore' ? (versionBefore ?? null) : attempt[of]));
}

interface Travel {
  readonly type: RecordColumnType;
  readonly toJson?: (value: unknown) => unknown;
  readonly toColumn: (name: string) => string;
}

/** How values of a type travel in JSON (json_to_recordset) where it is not as what they are. */
const TRAVEL: Partial<Record<RecordColumnType, Travel>> = {
  // As text, so that it is stored as it was written.
  json: { type: 'text', toColumn: (name) => `${name}::json` },
  bytea: {
    type: 'text',
    toJson: (value) => (value as Buffer | null)?.toString('hex'),
    toColumn: (name) => `decode(${name}, 'hex')`,
  },
};

/** Stores any number of records; the one parameter is `recordsParameter`. A record that is there already stays as it is. */
export const STORE_RECORDS = `insert into cqrs.command_log
    (${NAMES})
  select ${sqlList(STORED.map(([name, { type }]) => TRAVEL[type]?.toColumn(name) ?? name))}
  from json_to_recordset($1::json) as record (
    ${sqlList(STORED.map(([name, { type }]) => `${name} ${TRAVEL[type]?.type ?? type}`))})
  on conflict (received_at, command_id) do nothing`;

const READERS = STORED.map(([name, { of, type }]) => [name, reader(of as Property, TRAVEL[type]?.toJson)] as const);

type Property = NonNullable<RecordColumn['of']>;
const NO_TARGET: Partial<Target> = { eventIds: [] };

function reader(of: Property, toJson: (value: unknown) => unknown = (value) => value): (record: CommandRecord) => unknown {
  if (!of.startsWith('target.')) return (record) => toJson(record[of as keyof CommandRecord]);
  const name = of.slice('target.'.length) as keyof Target;
  return ({ target = NO_TARGET }) => target[name];
}

/** One text for all records, so that the statement is the same for any number of them. */
export function recordsParameter(records: readonly CommandRecord[]): string {
  return JSON.stringify(
    records.map((record) => {
      const row: Record<string, unknown> = {};
      for (const [name, read] of READERS) row[name] = read(record);
      return row;
    }),
  );
}
