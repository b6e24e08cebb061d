import { err, ok, type Result } from 'neverthrow';
import { normalizePassword } from '../domain/password-policy.ts';
import { ReauthenticationNeeded } from '../domain/session-errors.ts';
import type { User } from '../domain/user.ts';
import { CurrentPasswordWrong } from '../domain/user-errors.ts';
import { UserNotFound } from '../user-not-found.ts';
import type { UsersContext } from './context.ts';

/** What the proof holds for: undefined is any state of the user. */
export interface Proof {
  /** The hash that the password was right for. */
  readonly passwordHash: string | undefined;
}

/**
 * Has whoever acts on their own account prove that they are its owner, because a token may be in other hands (OWASP ASVS 5, 7.5.1): by
 * the current password, or by a log-in of the last minutes. Who holds the permission acts as an operator and proves nothing.
 *
 * It takes no transaction, so that none is held open while the password is hashed: `stillHolds` is asked once the user is loaded.
 */
export async function proveOwner(
  { userId, currentPassword }: { readonly userId: string; readonly currentPassword?: string | undefined },
  permission: 'users.write' | 'users.admin',
  { users, passwords, principal, authenticatedRecently, signal }: UsersContext,
): Promise<Result<Proof, ReauthenticationNeeded | CurrentPasswordWrong | UserNotFound>> {
  if (principal.permissions.has(permission)) return ok({ passwordHash: undefined });
  if (currentPassword === undefined) {
    return authenticatedRecently ? ok({ passwordHash: undefined }) : err(new ReauthenticationNeeded());
  }
  const stored = await users.storedPassword({ userId });
  if (!stored) return err(new UserNotFound(userId));
  const { matches } = await passwords.verify(stored.hash, normalizePassword(currentPassword), signal);
  return matches ? ok({ passwordHash: stored.hash }) : err(new CurrentPasswordWrong());
}

/** False when the password was changed while it was being checked. */
export const stillHolds = ({ passwordHash }: Proof, user: User): boolean =>
  passwordHash === undefined || user.passwordHash === passwordHash;
