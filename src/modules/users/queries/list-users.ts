import { ok } from 'neverthrow';
import { type ListUsersRequest, QueryService } from '#gen/users/v1/query_service_pb.js';
import { query } from '../../../kernel/bus/query.ts';
import { statusOf, toUser } from '../read-model/user-directory.ts';
import { countStatement, pageStatement, type UserList } from '../read-model/user-pages.ts';
import type { UsersQueryContext } from './context.ts';

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 1000;

/** Answers users page by page. */
export const listUsers = query(QueryService.method.listUsers, async (request, { read, pageTokens }: UsersQueryContext) => {
  const list = listOf(request);
  const identity = ['users.v1.ListUsers', list.status, list.search, list.orderBy, list.descending];
  const size = Math.min(request.pageSize || DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE);
  const start = request.pageToken
    ? { after: pageTokens.open(identity, request.pageToken) as [string, string] }
    : { skip: Math.max(0, request.page - 1) * size };

  // One row more than the page tells whether there is another page.
  const statement = pageStatement(list, start, size + 1);
  const isShort = list.search === '' && !('skip' in start && start.skip > 0);
  const rows = await (isShort ? read.page(statement, size + 1) : read.rows(statement));
  const page = rows.slice(0, size);
  const last = page.at(-1);
  const total = request.includeTotal ? await read.rows(countStatement(list)) : undefined;
  return ok({
    users: page.map(toUser),
    nextPageToken: last && rows.length > size ? pageTokens.seal(identity, [last.sort_key, last.id]) : '',
    ...(total && { totalSize: BigInt(total[0]?.total ?? 0) }),
  });
});

function listOf(request: ListUsersRequest): UserList {
  const [orderBy = '', direction] = request.orderBy.split(' ');
  return {
    status: statusOf(request.status),
    search: request.search,
    orderBy: orderBy === 'email' || orderBy === 'name' ? orderBy : 'created_at',
    descending: direction === 'desc',
  };
}
