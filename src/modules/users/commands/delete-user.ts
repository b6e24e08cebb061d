import { err } from 'neverthrow';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { command } from '../../../cqrs/command.ts';
import { LastAdmin } from '../domain/user-errors.ts';
import { UserNotFound } from '../user-not-found.ts';
import type { UsersContext } from './context.ts';
import { toUser } from './to-user.ts';

/** Closes an account: erases the personal data, keeps the fact. */
export const deleteUser = command(CommandService.method.deleteUser, async (request, { users, guesses, now }: UsersContext) => {
  const user = await users.find(request.userId);
  if (!user) return err(new UserNotFound(request.userId));
  if (user.isActiveAdmin && !(await users.hasActiveAdminBesides(user.id))) return err(new LastAdmin());

  if (user.status !== 'deleted') await guesses.forgetClients(user);
  return user.delete({ at: now, expectedVersion: request.expectedVersion }).map(() => ({ user: toUser(user) }));
});
