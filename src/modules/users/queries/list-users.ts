import { ok } from 'neverthrow';
import { type ListUsersRequest, QueryService } from '#gen/users/v1/query_service_pb.js';
import { foldedText } from '../../../kernel/bus/folded-text.ts';
import { query } from '../../../kernel/bus/query.ts';
import { statusOf, toUser, USER_COLUMNS, type UserRow } from '../read-model/user-directory.ts';
import type { Place, UserList } from '../read-model/user-list.ts';
import { countUsers, pageStatements, readPage } from '../read-model/user-pages.ts';
import type { UsersQueryContext } from './context.ts';

const statements = pageStatements<UserRow>(USER_COLUMNS);

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 1000;

/** Answers users page by page. */
export const listUsers = query(QueryService.method.listUsers, async (request, context: UsersQueryContext) => {
  const { read, pageTokens, userSamples: samples } = context;
  const list = listOf(request);
  const identity = ['users.v1.ListUsers', list.status, list.search, list.orderBy, list.descending];
  const size = Math.min(request.pageSize || DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE);
  const start = request.pageToken
    ? { after: pageTokens.open(identity, request.pageToken) as unknown as Place }
    : { skip: Math.max(0, request.page - 1) * size };

  const page = await readPage({ read, samples, list }, { statements, start, size });
  const total = request.includeTotal ? await countUsers({ read, samples, list }) : undefined;
  return ok({
    users: page.rows.map(toUser),
    nextPageToken: page.next ? pageTokens.seal(identity, page.next) : '',
    pageIsEstimate: page.isEstimate,
    ...(total && { totalSize: BigInt(total.users), totalSizeIsEstimate: total.isEstimate }),
  });
});

function listOf(request: ListUsersRequest): UserList {
  const [orderBy = '', direction] = request.orderBy.split(' ');
  return {
    status: statusOf(request.status),
    search: foldedText(request.search),
    orderBy: orderBy === 'email' || orderBy === 'name' ? orderBy : 'created_at',
    descending: direction === 'desc',
  };
}
