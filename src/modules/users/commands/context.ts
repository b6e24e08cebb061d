import type { CommandContext } from '../../../kernel/bus/command.ts';
import type { PasswordPolicy } from '../domain/password-policy.ts';
import type { Sessions } from '../domain/sessions.ts';
import type { User } from '../domain/user.ts';
import type { PasswordGuesses, Passwords, Users } from '../domain/users.ts';

/** What an access token says beside who its user is. */
export interface TokenOfSession {
  /** Names the token. */
  readonly id: string;
  readonly session: string;
  readonly authenticatedAt: Date;
}

/** What the commands of this module are given. */
export interface UsersContext extends CommandContext {
  readonly users: Users;
  /** The roles that the service has. */
  readonly roles: readonly string[];
  readonly passwords: Passwords;
  readonly passwordPolicy: PasswordPolicy;
  readonly guesses: PasswordGuesses;
  readonly sessions: Sessions;
  /** Whether the caller's token says that they showed a password in the last minutes. */
  readonly authenticatedRecently: boolean;
  /** Issues an access token of a session. */
  readonly issueToken: (user: User, token: TokenOfSession) => Promise<{ readonly token: string; readonly expiresAt: Date }>;
}
