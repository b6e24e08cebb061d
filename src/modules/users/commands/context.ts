import type { CommandContext } from '../../../cqrs/command.ts';
import type { PasswordPolicy } from '../domain/password-policy.ts';
import type { User } from '../domain/user.ts';
import type { PasswordGuesses, Passwords, Users } from '../domain/users.ts';

/** What the commands of this module are given. */
export interface UsersContext extends CommandContext {
  readonly users: Users;
  readonly passwords: Passwords;
  readonly passwordPolicy: PasswordPolicy;
  readonly guesses: PasswordGuesses;
  /** Issues the access token of a log-in. */
  readonly issueToken: (user: User) => Promise<{ readonly token: string; readonly expiresAt: Date }>;
}
