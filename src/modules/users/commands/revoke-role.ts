import { err } from 'neverthrow';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { LastAdmin, RoleUnknown } from '../domain/user-errors.ts';
import { UserNotFound } from '../user-not-found.ts';
import type { UsersContext } from './context.ts';
import { toUser } from './to-user.ts';

/** Takes a role from a user and ends their sessions. */
export const revokeRole = command(CommandService.method.revokeRole, async (request, { users, roles, now }: UsersContext) => {
  if (!roles.includes(request.role)) return err(new RoleUnknown(roles));
  const user = await users.find(request.userId);
  if (!user) return err(new UserNotFound(request.userId));
  const isAdmin = request.role === 'admin' && user.isActiveAdmin;
  if (isAdmin && !(await users.hasActiveAdminBesides(user.id))) return err(new LastAdmin());

  return user.revokeRole(request.role, { at: now, expectedVersion: request.expectedVersion }).map(() => ({ user: toUser(user) }));
});
