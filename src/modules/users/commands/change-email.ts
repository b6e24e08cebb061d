import { err } from 'neverthrow';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { CurrentPasswordWrong, EmailTaken } from '../domain/user-errors.ts';
import { UserNotFound } from '../user-not-found.ts';
import type { UsersContext } from './context.ts';
import { proveOwner, stillHolds } from './prove-owner.ts';
import { toUser } from './to-user.ts';

/** Moves a user to another e-mail address. Nobody else may hold it; its own may change its case. */
export const changeEmail = command(CommandService.method.changeEmail, async (request, context: UsersContext) => {
  const { users, now } = context;
  const proof = await proveOwner(request, 'users.write', context);
  if (proof.isErr()) return err(proof.error);

  const user = await users.find(request.userId);
  if (!user) return err(new UserNotFound(request.userId));
  if (!stillHolds(proof.value, user)) return err(new CurrentPasswordWrong());
  const isOwn = user.email.toLowerCase() === request.email.toLowerCase();
  if (!isOwn && (await users.holdsEmail(request.email))) return err(new EmailTaken(request.email));

  return user
    .changeEmail(request.email, { at: now, expectedVersion: request.expectedVersion })
    .map(() => ({ user: toUser(user) }));
});
