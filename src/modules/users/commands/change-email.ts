import { err } from 'neverthrow';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { command } from '../../../cqrs/command.ts';
import { EmailTaken } from '../domain/user-errors.ts';
import { UserNotFound } from '../user-not-found.ts';
import type { UsersContext } from './context.ts';
import { toUser } from './to-user.ts';

/** Moves a user to another e-mail address. Nobody else may hold it; its own may change its case. */
export const changeEmail = command(CommandService.method.changeEmail, async (request, { users, now }: UsersContext) => {
  const user = await users.find(request.userId);
  if (!user) return err(new UserNotFound(request.userId));
  const isOwn = user.email.toLowerCase() === request.email.toLowerCase();
  if (!isOwn && (await users.holdsEmail(request.email))) return err(new EmailTaken(request.email));

  return user
    .changeEmail(request.email, { at: now, expectedVersion: request.expectedVersion })
    .map(() => ({ user: toUser(user) }));
});
