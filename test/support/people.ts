import type { Client } from '@connectrpc/connect';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import type { User } from '../../gen/users/v1/user_pb.js';
import type { TestApp } from './test-app.ts';

/** Whoever can be called by clients. */
type Callable = Pick<TestApp, 'client'>;

export const PASSWORD = 'seven green lamps hum';

let count = 0;

/** Values for a user that nobody else in this run has. */
export function somebody(): { email: string; name: string; password: string } {
  count += 1;
  return { email: `somebody-${process.pid}-${count}@example.org`, name: `Somebody ${count}`, password: PASSWORD };
}

/** Signs somebody up. */
export async function signUp(app: Callable, values: Partial<ReturnType<typeof somebody>> = {}): Promise<User> {
  const { user } = await app.client(CommandService).createUser({ ...somebody(), ...values });
  if (!user) throw new Error('the answer has no user');
  return user;
}

/** Logs a user in and answers the token. */
export async function logIn(app: Callable, { email }: { email: string }, password = PASSWORD): Promise<string> {
  const { accessToken } = await app.client(CommandService).logIn({ email, password });
  return accessToken;
}

/** Commands called as an admin who is nobody in the database. */
export function asAdmin(app: Callable): Client<typeof CommandService> {
  return app.client(CommandService, { roles: ['admin'] });
}
