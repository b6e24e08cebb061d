import type { Reader } from '../../database/read/reader.ts';
import type { Change } from './changes.ts';

/** Some rows of a snapshot. */
export interface SnapshotPage<Row> {
  readonly rows: readonly Row[];
  /** Behind which key the next page begins: that of the last row. Undefined on the last page. */
  readonly next: readonly string[] | undefined;
}

/** The rows of a read model that somebody watches. */
export interface WatchedList<Row> {
  /** Everything that says which rows these are: who gives the same watches the same. */
  readonly identity: readonly unknown[];
  /** Only rows of these aggregates, in lower case. Undefined: of any. */
  readonly ids?: ReadonlySet<string> | undefined;
  /** Whether a row is on the list: the same as `page` decides. */
  readonly has: (row: Row) => boolean;
  /**
   * Whether a row that is not on the list may have been on it. Without it, every row may, and whoever watches the list is told the id of every
   * one that changes: a list of what the caller may see has it.
   */
  readonly mayHaveHad?: (row: Row) => boolean;
  /** The rows of the list, behind a key, in an order that no change of a row changes. */
  readonly page: (read: Pick<Reader, 'rows'>, after: readonly string[] | undefined) => Promise<SnapshotPage<Row>>;
}

/** What becomes of a row for those who watch a list. */
export type Outcome = 'upsert' | 'removed';

/** Undefined where they need not be told. */
export function outcomeOf<Row>(
  { ids, has, mayHaveHad }: WatchedList<Row>,
  { id, row, mayLeave }: Change<Row>,
): Outcome | undefined {
  if (ids && !ids.has(id)) return undefined;
  if (row && has(row)) return 'upsert';
  if (!mayLeave || (row && mayHaveHad && !mayHaveHad(row))) return undefined;
  return 'removed';
}
