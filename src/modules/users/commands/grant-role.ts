import { err } from 'neverthrow';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { RoleUnknown } from '../domain/user-errors.ts';
import { UserNotFound } from '../user-not-found.ts';
import type { UsersContext } from './context.ts';
import { toUser } from './to-user.ts';

/** Gives a user a role, from the next log-in on. */
export const grantRole = command(CommandService.method.grantRole, async (request, { users, roles, now }: UsersContext) => {
  if (!roles.includes(request.role)) return err(new RoleUnknown(roles));
  const user = await users.find(request.userId);
  if (!user) return err(new UserNotFound(request.userId));

  return user.grantRole(request.role, { at: now, expectedVersion: request.expectedVersion }).map(() => ({ user: toUser(user) }));
});
