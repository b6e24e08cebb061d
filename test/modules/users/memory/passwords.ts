import { dictionary } from '@zxcvbn-ts/language-common';
import { createGuessEstimate } from '../../../../src/modules/users/domain/common-passwords.ts';
import { createPasswordPolicy, normalizePassword } from '../../../../src/modules/users/domain/password-policy.ts';
import type { Passwords } from '../../../../src/modules/users/domain/users.ts';

/** A hash that tells the password, so that it takes no time. One of `version` 1 is outdated. */
export const hashOf = (password: string, version = 2): string => `$memory$v=${version}$${normalizePassword(password)}`;

/** Passwords that are not hashed. */
export const memoryPasswords: Passwords = {
  hash: async (password) => hashOf(password),
  verify: async (hash, password) => {
    const outdated = hash === hashOf(password, 1);
    return { matches: outdated || hash === hashOf(password), outdated };
  },
  verifyNothing: async () => {},
};

/** The policy of the program. */
export const passwordPolicy = createPasswordPolicy(createGuessEstimate(dictionary['passwords-common'], ['bicameral']));
