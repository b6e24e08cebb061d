import { sql } from 'kysely';
import { err, ok } from 'neverthrow';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { query } from '../../../kernel/bus/query.ts';
import { statements, toUser, USER_COLUMNS } from '../read-model/user-directory.ts';
import { UserNotFound } from '../user-not-found.ts';
import type { UsersQueryContext } from './context.ts';

const byEmail = statements
  .selectFrom('read.user_directory')
  .select(USER_COLUMNS)
  .where(sql`lower(email collate "C")`, '=', sql`lower(${''}::text collate "C")`)
  .compile();

/** Answers the one user with an e-mail address. */
export const findUserByEmail = query(QueryService.method.findUserByEmail, async (request, { read }: UsersQueryContext) => {
  const row = await read.row(byEmail, [request.email]);
  return row ? ok({ user: toUser(row) }) : err(new UserNotFound(request.email));
});
