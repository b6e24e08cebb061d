import { err, ok } from 'neverthrow';
import { Reason } from '#gen/users/v1/reasons_pb.js';
import {
  normalizePassword,
  PasswordCommon,
  type PasswordField,
  PasswordPersonal,
  type PasswordPolicy,
  type PasswordRefusal,
  PasswordTooLong,
  PasswordTooShort,
} from './password-policy.ts';
import type { PasswordGuesses, Passwords } from './users.ts';

/**
 * What is thought of passwords when a recorded command is run again by its `reason`: passwords are on no record, so each verdict on one
 * is the recorded one, at the point where the command comes to it. Nothing is hashed.
 */
export function recordedVerdicts(reason: string): {
  readonly passwords: Passwords;
  readonly passwordPolicy: PasswordPolicy;
  readonly guesses: PasswordGuesses;
  readonly authenticatedRecently: boolean;
} {
  const matches = reason !== Reason[Reason.CREDENTIALS_INVALID] && reason !== Reason[Reason.CURRENT_PASSWORD_WRONG];
  const Refusal = REFUSALS.get(reason);
  return {
    passwords: {
      hash: async () => NO_PASSWORD,
      verify: async () => ({ matches, outdated: false }),
      verifyNothing: async () => {},
    },
    passwordPolicy: (password, _, field) => (Refusal ? err(new Refusal(field)) : ok(normalizePassword(password))),
    // When the caller had logged in is on no record either.
    authenticatedRecently: reason !== Reason[Reason.REAUTHENTICATION_NEEDED],
    guesses: { forget: async () => {}, forgetClients: async () => {} },
  };
}

/** A hash of argon2id that no password is known to have: of zeros. */
const NO_PASSWORD = `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;

const REFUSALS = new Map<string, new (field: PasswordField) => PasswordRefusal>([
  [Reason[Reason.PASSWORD_TOO_SHORT], PasswordTooShort],
  [Reason[Reason.PASSWORD_TOO_LONG], PasswordTooLong],
  [Reason[Reason.PASSWORD_COMMON], PasswordCommon],
  [Reason[Reason.PASSWORD_PERSONAL], PasswordPersonal],
]);
