import { sql } from 'kysely';
import {
  UserCreatedSchema,
  UserLoggedInSchema,
  UserLoggedOutSchema,
  UserPasswordChangedSchema,
  UserRoleGrantedSchema,
  UserRoleRevokedSchema,
  UserSessionsEndedSchema,
} from '#gen/users/v1/events_pb.js';
import { foldedText } from '../../../kernel/bus/folded-text.ts';
import { shapedStatement } from '../../../kernel/database/read/read-statements.ts';
import type { WatchedTable } from '../../../kernel/feed/watching/changes.ts';
import type { WatchedList } from '../../../kernel/feed/watching/watched-list.ts';
import { USER_COLUMNS, type UserRow } from './user-directory.ts';
import { filtered, type ListShape, type ListValues, shapeOf, type UserList, type ValueOf, valuesOf } from './user-pages.ts';

/** A user as it is sent, with the text that is searched. */
export type WatchedUserRow = UserRow & { readonly search_text: string };

const COLUMNS = [...USER_COLUMNS, 'search_text'] as const;

/** What WatchUsers watches. */
export const watchedUsers: WatchedTable<WatchedUserRow> = {
  aggregateType: 'users.v1.User',
  table: 'read.user_directory',
  id: 'id',
  columns: COLUMNS,
  // Lists are of a status, and of texts in names and e-mail addresses.
  staying: [
    UserCreatedSchema,
    UserLoggedInSchema,
    UserLoggedOutSchema,
    UserSessionsEndedSchema,
    UserPasswordChangedSchema,
    UserRoleGrantedSchema,
    UserRoleRevokedSchema,
  ].map(({ typeName }) => typeName),
};

/** Rows of a snapshot that are read at once. */
const PAGE = 250;

/** The users that ListUsers returns for the same status and search, or those of them who are named. */
export function watchedList(list: Pick<UserList, 'status' | 'search' | 'ids'>): WatchedList<WatchedUserRow> {
  const { status, ids } = list;
  const search = foldedText(list.search);
  return {
    identity: [status, search, ids && [...ids].sort()],
    ids: ids && new Set(ids),
    has: (row) => (status === undefined ? row.status !== 'deleted' : row.status === status) && row.search_text.includes(search),
    page: async (read, after) => {
      const rows = await read.rows(pageStatement(list, after));
      const last = rows.length === PAGE ? rows.at(-1) : undefined;
      return { rows, next: last && [last.sort_key, last.id] };
    },
  };
}

const firstPage = shapedStatement<ListShape, ListValues, WatchedUserRow & SortKey>(pageOf);

const pageBehind = shapedStatement<
  ListShape,
  ListValues & { readonly time: string; readonly id: string },
  WatchedUserRow & SortKey
>((shape, value) =>
  pageOf(shape, value).where(sql<boolean>`(created_at, id) > (${value('time')}::timestamptz, ${value('id')}::uuid)`),
);

function pageStatement(list: Pick<UserList, 'status' | 'search' | 'ids'>, after: readonly string[] | undefined) {
  if (!after) return firstPage(shapeOf(list), valuesOf(list));
  const [time = '', id = ''] = after;
  return pageBehind(shapeOf(list), { ...valuesOf(list), time, id });
}

interface SortKey {
  readonly sort_key: string;
}

function pageOf(shape: ListShape, value: ValueOf) {
  return filtered(shape, value)
    .select(COLUMNS)
    .select(sql<string>`created_at::text`.as('sort_key'))
    .orderBy('created_at')
    .orderBy('id')
    .limit(PAGE);
}
