import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { err, ok } from 'neverthrow';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { normalizePassword } from '../domain/password-policy.ts';
import { CredentialsInvalid } from '../domain/user-errors.ts';
import type { UsersContext } from './context.ts';
import { toUser } from './to-user.ts';

/** Exchanges an e-mail and a password for an access token, and begins a session. An unknown e-mail and a wrong password look and last the same. */
export const logIn = command(CommandService.method.logIn, async (request, context: UsersContext) => {
  const { users, passwords, sessions, issueToken, newId, now, signal } = context;
  const password = normalizePassword(request.password);
  const stored = await users.storedPassword(request);
  if (!stored) {
    await passwords.verifyNothing(password, signal);
    return err(new CredentialsInvalid());
  }
  const { matches, outdated } = await passwords.verify(stored.hash, password, signal);
  if (!matches) return err(new CredentialsInvalid());
  const rehashed = outdated ? await passwords.hash(password, signal) : undefined;

  const user = await users.find(stored.userId);
  // The password was changed, or the user deleted, while the old one was being checked.
  if (user?.passwordHash !== stored.hash) return err(new CredentialsInvalid());

  const loggedIn = user.logIn(now, rehashed);
  if (loggedIn.isErr()) return err(loggedIn.error);
  const session = newId();
  const next = await sessions.begin({ id: session, userId: user.id, epoch: user.sessionEpoch, authenticatedAt: now });
  const { token, expiresAt } = await issueToken(user, { id: session, session, authenticatedAt: now });
  return ok({
    accessToken: token,
    expiresAt: timestampFromDate(expiresAt),
    user: toUser(user),
    refreshToken: next.refreshToken,
    refreshExpiresAt: timestampFromDate(next.expiresAt),
  });
});
