import { err, ok, type Result } from 'neverthrow';
import { Reason, ReasonSchema } from '#gen/users/v1/reasons_pb.js';
import { domainError, type FieldViolation } from '../../../kernel/bus/errors.ts';
import type { GuessEstimate } from './common-passwords.ts';

/** Bounds in Unicode characters after normalization (NIST SP 800-63B-4, 3.1.1.2). */
export const MIN_PASSWORD_LENGTH = 15;
export const MAX_PASSWORD_LENGTH = 128;

/** What a password must not be made of. */
export interface PasswordOwner {
  readonly name: string;
  readonly email: string;
}

/** The field of the request that holds the password. */
export type PasswordField = 'password' | 'new_password';

export type PasswordRefusal = PasswordTooShort | PasswordTooLong | PasswordCommon | PasswordPersonal;

/** Answers the password as it is to be hashed, or why it is refused. There are no rules of composition. */
export type PasswordPolicy = (password: string, owner: PasswordOwner, field: PasswordField) => Result<string, PasswordRefusal>;

/**
 * One text for one password, however a keyboard composes its characters (NFKC, as NIST SP 800-63B-4 recommends). Passwords are
 * hashed and compared in this form. A lone surrogate, which has no encoding, becomes U+FFFD.
 */
export const normalizePassword = (password: string): string => password.toWellFormed().normalize('NFKC');

/** The policy with what is known of common passwords. */
export function createPasswordPolicy(estimate: GuessEstimate): PasswordPolicy {
  return (password, owner, field) => {
    const normalized = normalizePassword(password);
    const length = [...normalized].length;
    if (length < MIN_PASSWORD_LENGTH) return err(new PasswordTooShort(field));
    if (length > MAX_PASSWORD_LENGTH) return err(new PasswordTooLong(field));
    if (holdsPersonalData(normalized, owner) || isAddress(normalized)) return err(new PasswordPersonal(field));
    if (estimate(normalized, contextOf(owner)) < MIN_GUESSES_LOG10) return err(new PasswordCommon(field));
    return ok(normalized);
  };
}

/**
 * A password found within 10^8 guesses is common. Two frequent words and a year are; four words, or any fifteen
 * characters without a pattern, are far from it.
 */
const MIN_GUESSES_LOG10 = 8;

/** Shorter parts of a name are in too many words. */
const MIN_PERSONAL_LENGTH = 4;

function holdsPersonalData(password: string, { name, email }: PasswordOwner): boolean {
  const text = password.toLowerCase();
  const address = normalizePassword(email).toLowerCase();
  const localPart = address.slice(0, Math.max(0, address.lastIndexOf('@')));
  const words = normalizePassword(name)
    .toLowerCase()
    .split(/[^\p{L}\p{M}\p{N}]+/u);
  return [address, localPart, ...words].some((part) => [...part].length >= MIN_PERSONAL_LENGTH && text.includes(part));
}

/** An e-mail address, with what people put before and behind a password that was refused. Nobody's is a secret. */
const isAddress = (password: string): boolean => /^[^\p{L}\p{N}]*[\w.%+-]+@(?:[a-z0-9-]+\.)+[a-z]{2,}[^\p{L}]*$/iu.test(password);

/** What an attacker knows of a user besides: short parts of the name, and where they have their address. */
function contextOf({ name, email }: PasswordOwner): string[] {
  const domain = email.slice(email.lastIndexOf('@') + 1);
  const words = normalizePassword(`${name} ${domain}`)
    .toLowerCase()
    .split(/[^\p{L}\p{M}\p{N}]+/u);
  return words.filter(({ length }) => length >= MIN_CONTEXT_LENGTH);
}

/** Shorter ones are parts of too many words. */
const MIN_CONTEXT_LENGTH = 3;

export class PasswordTooShort extends domainError(ReasonSchema, Reason.PASSWORD_TOO_SHORT) {
  override readonly violations: readonly FieldViolation[];
  constructor(field: PasswordField) {
    const problem = `must be at least ${MIN_PASSWORD_LENGTH} characters`;
    super(`the password ${problem}`);
    this.violations = [{ field, description: problem }];
  }
}

export class PasswordTooLong extends domainError(ReasonSchema, Reason.PASSWORD_TOO_LONG) {
  override readonly violations: readonly FieldViolation[];
  constructor(field: PasswordField) {
    const problem = `must be at most ${MAX_PASSWORD_LENGTH} characters`;
    super(`the password ${problem}`);
    this.violations = [{ field, description: problem }];
  }
}

export class PasswordCommon extends domainError(ReasonSchema, Reason.PASSWORD_COMMON) {
  override readonly violations: readonly FieldViolation[];
  constructor(field: PasswordField) {
    const problem = 'is among the first to be guessed; four unrelated words make a good one';
    super(`the password ${problem}`);
    this.violations = [{ field, description: problem }];
  }
}

export class PasswordPersonal extends domainError(ReasonSchema, Reason.PASSWORD_PERSONAL) {
  override readonly violations: readonly FieldViolation[];
  constructor(field: PasswordField) {
    const problem = 'must not hold the name or the e-mail address, nor be an e-mail address';
    super(`the password ${problem}`);
    this.violations = [{ field, description: problem }];
  }
}
