import { err, ok } from 'neverthrow';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { User } from '../domain/user.ts';
import { EmailTaken } from '../domain/user-errors.ts';
import type { UsersContext } from './context.ts';
import { toUser } from './to-user.ts';

/** Opens an account. The password is hashed before the transaction begins, so that hashing holds no connection. */
export const createUser = command(CommandService.method.createUser, async (request, context: UsersContext) => {
  const { users, passwords, passwordPolicy, newId, now, signal } = context;
  const password = passwordPolicy(request.password, request, 'password');
  if (password.isErr()) return err(password.error);

  const passwordHash = await passwords.hash(password.value, signal);
  if (await users.holdsEmail(request.email)) return err(new EmailTaken(request.email));

  const user = User.create({ id: newId(), email: request.email, name: request.name, passwordHash, at: now });
  users.add(user);
  return ok({ user: toUser(user) });
});
