import { err } from 'neverthrow';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { SessionUnknown } from '../domain/session-errors.ts';
import type { UsersContext } from './context.ts';

/** Ends the session that the caller's token belongs to; the user's others go on. */
export const logOut = command(CommandService.method.logOut, async (_, { users, sessions, principal }: UsersContext) => {
  // Operators and those who come from another issuer have none here; their ids need not be UUIDs.
  if (!UUID.test(principal.session) || !UUID.test(principal.id)) return err(new SessionUnknown());
  const user = await users.find(principal.id);
  if (!user) return err(new SessionUnknown());

  await sessions.end({ id: principal.session, userId: user.id });
  return user.logOut(principal.session).map(() => ({}));
});

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
