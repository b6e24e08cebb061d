import { err } from 'neverthrow';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { LastAdmin } from '../domain/user-errors.ts';
import { UserNotFound } from '../user-not-found.ts';
import type { UsersContext } from './context.ts';
import { toUser } from './to-user.ts';

/** Bars a user from logging in and ends their sessions. */
export const suspendUser = command(CommandService.method.suspendUser, async (request, { users, now }: UsersContext) => {
  const user = await users.find(request.userId);
  if (!user) return err(new UserNotFound(request.userId));
  if (user.isActiveAdmin && !(await users.hasActiveAdminBesides(user.id))) return err(new LastAdmin());

  return user.suspend(request.reason, { at: now, expectedVersion: request.expectedVersion }).map(() => ({ user: toUser(user) }));
});
