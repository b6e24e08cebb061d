import { err } from 'neverthrow';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { UserNotFound } from '../user-not-found.ts';
import type { UsersContext } from './context.ts';
import { toUser } from './to-user.ts';

/** Lets a suspended user log in again. */
export const reactivateUser = command(CommandService.method.reactivateUser, async (request, { users, now }: UsersContext) => {
  const user = await users.find(request.userId);
  if (!user) return err(new UserNotFound(request.userId));

  return user
    .reactivate(request.reason, { at: now, expectedVersion: request.expectedVersion })
    .map(() => ({ user: toUser(user) }));
});
