import { type CompiledQuery, sql } from 'kysely';
import { foldedText } from '../../../kernel/bus/folded-text.ts';
import { shapedStatement } from '../../../kernel/database/read/read-statements.ts';
import { statements, USER_COLUMNS, type UserRow } from './user-directory.ts';

/** Which users a list holds and in which order. */
export interface UserList {
  /** Undefined: all but the deleted ones. */
  readonly status: 'active' | 'suspended' | 'deleted' | undefined;
  /** Part of the name or of the e-mail; empty: any. */
  readonly search: string;
  /** Only these; undefined: any. */
  readonly ids?: readonly string[] | undefined;
  readonly orderBy: 'created_at' | 'email' | 'name';
  readonly descending: boolean;
}

/** Where a page begins: behind the row with this sort key and id, or after so many rows. */
export type PageStart = { readonly after: readonly [sortKey: string, id: string] } | { readonly skip: number };

/** A row with what its place in the order is told by. */
export type PageRow = UserRow & { readonly sort_key: string };

const SORT_KEYS = {
  created_at: { column: sql<Date>`created_at`, type: sql`timestamptz` },
  email: { column: sql<string>`lower(email collate "C")`, type: sql`text` },
  name: { column: sql<string>`name_key`, type: sql`text` },
} as const;

/** What the text of a list's statements depends on. */
export type ListShape = { readonly [Filter in 'status' | 'search' | 'ids']: boolean } & { readonly isPartlyIndexed: boolean };

/** What their parameters are. */
export interface ListValues {
  readonly status: UserList['status'];
  readonly pattern: string;
  readonly ids: readonly string[] | undefined;
}

/** Rows of any list, with the values that `value` names. */
export type ValueOf = <Name extends keyof ListValues>(name: Name) => NonNullable<ListValues[Name]>;

type PageShape = ListShape & Pick<UserList, 'orderBy' | 'descending'> & { readonly start: 'first' | 'behind' | 'skip' };

interface PageValues extends ListValues {
  readonly sortKey: string;
  readonly id: string;
  readonly skip: number;
  readonly limit: number;
}

const page = shapedStatement<PageShape, PageValues, PageRow>((shape, value) => {
  const { column, type } = SORT_KEYS[shape.orderBy];
  const direction = shape.descending ? 'desc' : 'asc';
  const rows = filtered(shape, value)
    .select(USER_COLUMNS)
    .select(sql<string>`(${column})::text`.as('sort_key'))
    .orderBy(column, direction)
    .orderBy('id', direction)
    .limit(value('limit'));
  if (shape.start === 'first') return rows;
  if (shape.start === 'skip') return rows.offset(value('skip'));
  const behind = shape.descending ? sql`<` : sql`>`;
  return rows.where(sql<boolean>`(${column}, id) ${behind} (${value('sortKey')}::${type}, ${value('id')}::uuid)`);
});

const count = shapedStatement<ListShape, ListValues, { total: string }>((shape, value) =>
  filtered(shape, value).select(sql<string>`count(*)`.as('total')),
);

/**
 * The rows of one page. A page that begins behind a row (a keyset) is found in an index and costs the same wherever it is; ids break
 * ties, so that no row is on two pages or on none.
 */
export function pageStatement(list: UserList, start: PageStart, limit: number): CompiledQuery<PageRow> {
  const { orderBy, descending } = list;
  const [sortKey = '', id = ''] = 'after' in start ? start.after : [];
  const skip = 'skip' in start ? start.skip : 0;
  const place = 'after' in start ? 'behind' : skip > 0 ? 'skip' : 'first';
  return page({ ...shapeOf(list), orderBy, descending, start: place }, { ...valuesOf(list), sortKey, id, skip, limit });
}

/** How many users the list holds. */
export function countStatement(list: UserList): CompiledQuery<{ total: string }> {
  return count(shapeOf(list), valuesOf(list));
}

type Filters = Pick<UserList, 'status' | 'search' | 'ids'>;

export const shapeOf = ({ status, search, ids }: Filters): ListShape => ({
  status: status !== undefined,
  search: search !== '',
  ids: ids !== undefined,
  isPartlyIndexed: status === 'suspended' || status === 'deleted',
});

export const valuesOf = ({ status, search, ids }: Filters): ListValues => ({
  status,
  pattern: likePattern(foldedText(search)),
  ids,
});

/** The rows that lists of one shape hold. */
export function filtered(shape: ListShape, value: ValueOf) {
  let rows = statements.selectFrom('read.user_directory');
  if (shape.status) rows = rows.where('status', '=', value('status'));
  else rows = rows.where('status', '<>', sql.lit('deleted'));
  // Says in words that the planner can prove that the partial indexes of these few users hold all of them.
  if (shape.isPartlyIndexed) rows = rows.where('status', '<>', sql.lit('active'));
  if (shape.ids) rows = rows.where('id', '=', (any) => any.fn.any(any.val(value('ids'))));
  if (shape.search) rows = rows.where('search_text', 'like', value('pattern'));
  return rows;
}

/** Matches the text anywhere; what LIKE reads as a wildcard stands for itself. */
function likePattern(search: string): string {
  return `%${search.replace(/[\\%_]/g, '\\$&')}%`;
}
