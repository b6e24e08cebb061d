import { randomBytes } from 'node:crypto';
import type { SecretHasher, SecretMatch } from '../../../kernel/auth/secret-hasher.ts';
import { normalizePassword } from '../domain/password-policy.ts';

/** Hashes and compares passwords, normalized. Rejects as SecretHasher does. */
export interface PasswordHasher {
  readonly hash: (password: string, signal?: AbortSignal) => Promise<string>;
  readonly verify: (phc: string, password: string, signal?: AbortSignal) => Promise<SecretMatch>;
  /** Takes as long as a wrong password does: for log-ins of users that do not exist. */
  readonly verifyNothing: (password: string, signal?: AbortSignal) => Promise<void>;
  /** The same for one caller: callers take turns, so that none keeps the others out. */
  readonly forCaller: (caller: string) => PasswordHasher;
}

export async function createPasswordHasher(secrets: SecretHasher): Promise<PasswordHasher> {
  const nobodys = await secrets.hash(randomBytes(32));
  const over = (hasher: SecretHasher): PasswordHasher => ({
    hash: (password, signal) => hasher.hash(normalizePassword(password), signal),
    verify: (phc, password, signal) => hasher.verify(phc, normalizePassword(password), signal),
    verifyNothing: async (password, signal) => {
      await hasher.verify(nobodys, normalizePassword(password), signal);
    },
    forCaller: (caller) => over(hasher.forCaller(caller)),
  });
  return over(secrets);
}
