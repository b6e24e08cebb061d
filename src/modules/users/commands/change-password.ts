import { err } from 'neverthrow';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { normalizePassword } from '../domain/password-policy.ts';
import { CurrentPasswordWrong } from '../domain/user-errors.ts';
import { UserNotFound } from '../user-not-found.ts';
import type { UsersContext } from './context.ts';
import { toUser } from './to-user.ts';

/** Replaces the caller's password and ends every session but the one it is changed in. */
export const changePassword = command(CommandService.method.changePassword, async (request, context: UsersContext) => {
  const { users, passwords, passwordPolicy, guesses, principal, now, signal } = context;
  const before = await users.storedPassword(request);
  if (!before) return err(new UserNotFound(request.userId));

  const password = passwordPolicy(request.newPassword, before, 'new_password');
  if (password.isErr()) return err(password.error);
  const { matches } = await passwords.verify(before.hash, normalizePassword(request.currentPassword), signal);
  if (!matches) return err(new CurrentPasswordWrong());
  const passwordHash = await passwords.hash(password.value, signal);

  const user = await users.find(request.userId);
  if (!user) return err(new UserNotFound(request.userId));
  // Changed in another session while this one was being checked.
  if (user.passwordHash !== before.hash) return err(new CurrentPasswordWrong());
  // They were guesses at another password.
  await guesses.forget(user);
  return user.changePassword(passwordHash, principal.session, { at: now }).map(() => ({ user: toUser(user) }));
});
