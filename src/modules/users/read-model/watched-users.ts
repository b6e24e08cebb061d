import type { CompiledQuery } from 'kysely';
import {
  UserCreatedSchema,
  UserLoggedInSchema,
  UserLoggedOutSchema,
  UserPasswordChangedSchema,
  UserRoleGrantedSchema,
  UserRoleRevokedSchema,
  UserSessionsEndedSchema,
} from '#gen/users/v1/events_pb.js';
import type { WatchedTable } from '../../../kernel/feed/watching/changes.ts';
import type { WatchedList } from '../../../kernel/feed/watching/watched-list.ts';
import { statements, USER_COLUMNS, type UserRow } from './user-directory.ts';
import type { Place, UserList } from './user-list.ts';
import { pageStatements, readPage } from './user-pages.ts';
import type { UserSamples } from './user-sample.ts';

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

const pages = pageStatements<WatchedUserRow>(COLUMNS);

/** Some of the users, by status and search, and only those who are named. */
export interface UserFilter extends Pick<UserList, 'status' | 'search'> {
  readonly ids: readonly string[] | undefined;
}

/** The users that ListUsers returns for the same status and search, or those of them who are named. */
export function watchedList({ status, search, ids }: UserFilter, samples: UserSamples): WatchedList<WatchedUserRow> {
  const list = { status, search, orderBy: 'created_at', descending: false } as const;
  const has = (row: WatchedUserRow): boolean =>
    (status === undefined ? row.status !== 'deleted' : row.status === status) && row.search_text.includes(search);
  return {
    identity: [status, search, ids && [...ids].sort()],
    ids: ids && new Set(ids),
    has,
    page: async (read, after) => {
      if (ids) return { rows: (await read.rows(byIds, [ids])).filter(has), next: undefined };
      const start = after ? { after: after as unknown as Place } : { skip: 0 };
      return await readPage({ read, samples, list }, { statements: pages, start, size: PAGE });
    },
  };
}

/** The parameter is their ids. */
const byIds: CompiledQuery<WatchedUserRow> = statements
  .selectFrom('read.user_directory')
  .select(COLUMNS)
  .where('id', '=', (any) => any.fn.any(any.val([''])))
  .compile();
