import { err } from 'neverthrow';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { CurrentPasswordWrong, LastAdmin } from '../domain/user-errors.ts';
import { UserNotFound } from '../user-not-found.ts';
import type { UsersContext } from './context.ts';
import { proveOwner, stillHolds } from './prove-owner.ts';
import { toUser } from './to-user.ts';

/** Closes an account: erases the personal data, keeps the fact. */
export const deleteUser = command(CommandService.method.deleteUser, async (request, context: UsersContext) => {
  const { users, guesses, now } = context;
  const proof = await proveOwner(request, 'users.admin', context);
  if (proof.isErr()) return err(proof.error);

  const user = await users.find(request.userId);
  if (!user) return err(new UserNotFound(request.userId));
  if (!stillHolds(proof.value, user)) return err(new CurrentPasswordWrong());
  if (user.isActiveAdmin && !(await users.hasActiveAdminBesides(user.id))) return err(new LastAdmin());

  if (user.status !== 'deleted') await guesses.forgetClients(user);
  return user.delete({ at: now, expectedVersion: request.expectedVersion }).map(() => ({ user: toUser(user) }));
});
