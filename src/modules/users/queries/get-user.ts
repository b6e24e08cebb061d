import { err, ok } from 'neverthrow';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { query } from '../../../kernel/bus/query.ts';
import { statements, toUser, USER_COLUMNS } from '../read-model/user-directory.ts';
import { UserNotFound } from '../user-not-found.ts';
import type { UsersQueryContext } from './context.ts';

const byId = statements.selectFrom('read.user_directory').select(USER_COLUMNS).where('id', '=', '').compile();

/** Answers one user, deleted ones included. */
export const getUser = query(QueryService.method.getUser, async (request, { read }: UsersQueryContext) => {
  const row = await read.row(byId, [request.userId]);
  return row ? ok({ user: toUser(row) }) : err(new UserNotFound(request.userId));
});
