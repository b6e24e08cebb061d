import { errorCode, meaningOf, sqlState } from '../../database/sql-errors.ts';
import { EventRefused, PlaceLost, Transient } from './feed-handler.ts';

/**
 * What the failure of a batch speaks against.
 *
 * - `conflict`: nothing; it lost against another transaction.
 * - `slow`: its size; a smaller one may do.
 * - `circumstances`: what all events depend on, such as the database, another module or a table that is not there. It is tried until it works.
 * - `event`: one of its events.
 */
export type Blame = 'conflict' | 'slow' | 'circumstances' | 'event';

export interface Failure {
  readonly blame: Blame;
  /** What can be stored and shown: the code and our own words. What PostgreSQL says of a value may be a secret. */
  readonly told: string;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof Transient) return { blame: 'circumstances', told: error.message };
  if (error instanceof PlaceLost) return { blame: 'conflict', told: error.message };
  if (error instanceof EventRefused) return { blame: 'event', told: error.message };
  return { blame: blameOf(error), told: toldOf(error) };
}

/** Of a statement that cannot be planned, or not as it was: whatever the events are. */
const OF_THE_STATEMENT = /^(42|3F|0A|26)/;
const CANCELED = '57014';

function blameOf(error: unknown): Blame {
  const state = sqlState(error);
  if (state === CANCELED) return 'slow';
  const meaning = meaningOf(error);
  if (meaning === 'conflict') return 'conflict';
  if (meaning !== undefined && meaning !== 'defect') return 'circumstances';
  return state !== undefined && OF_THE_STATEMENT.test(state) ? 'circumstances' : 'event';
}

function toldOf(error: unknown): string {
  const state = sqlState(error);
  if (state === undefined) return [Error.isError(error) ? error.name : 'an error', errorCode(error)].filter(Boolean).join(' ');
  const { schema, table, column, constraint } = placeOf(error);
  const where = [
    constraint && `constraint ${constraint}`,
    column && `column ${column}`,
    table && `table ${[schema, table].filter(Boolean).join('.')}`,
  ].filter(Boolean);
  return [`SQLSTATE ${state}: ${CLASSES[state.slice(0, 2)] ?? 'the statement failed'}`, ...where].join(', ');
}

const CLASSES: Readonly<Record<string, string>> = {
  '21': 'one row would be changed twice',
  '22': 'a value does not fit',
  '23': 'a constraint is violated',
  '40': 'another transaction was faster',
  '42': 'the statement does not fit the tables',
  P0: 'a function raised an error',
};

/** The fields of PostgreSQL's error that name parts of the schema. */
interface Place {
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
  readonly constraint?: string;
}

function placeOf(error: unknown): Place {
  for (let current = error; Error.isError(current); current = current.cause) {
    if ('code' in current) return current as Place;
  }
  return {};
}
