import { type CompiledQuery, sql } from 'kysely';
import { foldedText } from '../../../kernel/bus/folded-text.ts';
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

/**
 * The rows of one page. A page that begins behind a row (a keyset) is found in an index and costs the same wherever it is; ids break
 * ties, so that no row is on two pages or on none.
 */
export function pageStatement(list: UserList, start: PageStart, limit: number): CompiledQuery<PageRow> {
  const { column, type } = SORT_KEYS[list.orderBy];
  const direction = list.descending ? 'desc' : 'asc';
  let rows = filtered(list)
    .select(USER_COLUMNS)
    .select(sql<string>`(${column})::text`.as('sort_key'))
    .orderBy(column, direction)
    .orderBy('id', direction)
    .limit(limit);
  if ('after' in start) {
    const [sortKey, id] = start.after;
    const behind = list.descending ? sql`<` : sql`>`;
    rows = rows.where(sql<boolean>`(${column}, id) ${behind} (${sortKey}::${type}, ${id}::uuid)`);
  } else if (start.skip > 0) {
    rows = rows.offset(start.skip);
  }
  return rows.compile();
}

/** How many users the list holds. */
export function countStatement(list: UserList): CompiledQuery<{ total: string }> {
  return filtered(list).select(sql<string>`count(*)`.as('total')).compile();
}

/** The rows that a list holds. */
export function filtered(list: Pick<UserList, 'status' | 'search' | 'ids'>) {
  let rows = statements.selectFrom('read.user_directory');
  if (list.status === undefined) rows = rows.where('status', '<>', sql.lit('deleted'));
  else rows = rows.where('status', '=', list.status);
  // Says in words that the planner can prove that the partial indexes of these few users hold all of them.
  if (list.status === 'suspended' || list.status === 'deleted') rows = rows.where('status', '<>', sql.lit('active'));
  if (list.ids !== undefined) rows = rows.where('id', '=', (any) => any.fn.any(any.val([...(list.ids ?? [])])));
  if (list.search !== '') rows = rows.where('search_text', 'like', likePattern(foldedText(list.search)));
  return rows;
}

/** Matches the text anywhere; what LIKE reads as a wildcard stands for itself. */
function likePattern(search: string): string {
  return `%${search.replace(/[\\%_]/g, '\\$&')}%`;
}
