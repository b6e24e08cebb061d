import { err, ok } from 'neverthrow';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { UserDeleted } from '../domain/user-errors.ts';
import { UserNotFound } from '../user-not-found.ts';
import type { UsersContext } from './context.ts';
import { toUser } from './to-user.ts';

/** Forgets the wrong guesses at a user's password, so that the right one counts again. The user stays as they are. */
export const unlockPassword = command(CommandService.method.unlockPassword, async (request, { users, guesses }: UsersContext) => {
  const user = await users.find(request.userId);
  if (!user) return err(new UserNotFound(request.userId));
  if (user.status === 'deleted') return err(new UserDeleted());

  await guesses.forget(user);
  return ok({ user: toUser(user) });
});
