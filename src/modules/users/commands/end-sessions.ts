import { err } from 'neverthrow';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { InvalidRequest } from '../../../kernel/bus/errors.ts';
import { UserNotFound } from '../user-not-found.ts';
import type { UsersContext } from './context.ts';
import { toUser } from './to-user.ts';

/** Ends all sessions of a user, or all but the one that it is called in. */
export const endSessions = command(CommandService.method.endSessions, async (request, { users, principal }: UsersContext) => {
  const { userId, keepCurrent } = request;
  if (keepCurrent && userId.toLowerCase() !== principal.id.toLowerCase()) {
    return err(new InvalidRequest([{ field: 'keep_current', description: 'is for sessions of the caller alone' }]));
  }
  const user = await users.find(userId);
  if (!user) return err(new UserNotFound(userId));

  return user.endSessions(keepCurrent ? principal.session : '').map(() => ({ user: toUser(user) }));
});
