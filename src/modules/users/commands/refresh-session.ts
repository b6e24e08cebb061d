import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { err, ok } from 'neverthrow';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { RefreshTokenInvalid } from '../domain/session-errors.ts';
import type { UsersContext } from './context.ts';
import { toUser } from './to-user.ts';

/** Exchanges a refresh token for an access token and the next refresh token. One that was used before ends its session. */
export const refreshSession = command(CommandService.method.refreshSession, async (request, context: UsersContext) => {
  const { users, sessions, issueToken, newId, now } = context;
  const session = await sessions.find(request.refreshToken, now);
  if ('problem' in session) return err(new RefreshTokenInvalid(session.problem));
  const user = await users.find(session.userId);
  if (!user?.holdsSession(session)) return err(new RefreshTokenInvalid('ENDED'));

  const next = await sessions.rotate(session, user, now);
  if (!next) return err(new RefreshTokenInvalid('REUSED'));
  const { authenticatedAt } = session;
  const { token, expiresAt } = await issueToken(user, { id: newId(), session: session.id, authenticatedAt });
  return ok({
    accessToken: token,
    expiresAt: timestampFromDate(expiresAt),
    user: toUser(user),
    refreshToken: next.refreshToken,
    refreshExpiresAt: timestampFromDate(next.expiresAt),
  });
});
