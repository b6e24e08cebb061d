import type { Refusal } from './outcome.ts';

/** Something that `then` expects beside the events. Made by `refused`, `answered`, `state` and `nothing`. */
export class Expectation {
  readonly about: 'refusal' | 'answer' | 'state' | 'nothing';
  readonly expected: object;

  constructor(about: Expectation['about'], expected: object) {
    this.about = about;
    this.expected = expected;
  }
}

/**
 * Expects that the command is refused, by the reason of its error. A refused command records nothing.
 *
 * ```ts
 * given(deleted).when((user) => user.changeName('Grace', { at })).then(refused('USER_DELETED'));
 * await given(ada).when(changeName, { userId: ada.id, name: '' }).then(refused('INVALID_REQUEST', { fields: ['name'] }));
 * ```
 */
export function refused(reason: string, details: Partial<Omit<Refusal, 'reason'>> = {}): Expectation {
  return new Expectation('refusal', { reason, ...details });
}

/**
 * Expects these fields of the answer; those that are not named can be anything.
 *
 * ```ts
 * await given(ada).when(changeName, { userId: ada.id, name: 'Grace' }).then(…, answered({ user: { name: 'Grace', version: 2n } }));
 * ```
 */
export function answered(fields: object): Expectation {
  return new Expectation('answer', fields);
}

/**
 * Expects these properties of the aggregate as the command leaves it; those that are not named can be anything.
 *
 * ```ts
 * given(ada).when((user) => user.suspend('spam', { at })).then({ type: 'UserSuspended', reason: 'spam' }, state({ status: 'suspended' }));
 * ```
 */
export function state(properties: object): Expectation {
  return new Expectation('state', properties);
}

/**
 * Expects that the command succeeds and records nothing.
 *
 * ```ts
 * given(ada).when((user) => user.rename(user.name)).then(nothing);
 * ```
 */
export const nothing: Expectation = new Expectation('nothing', {});

/** What jest and vitest call an asymmetric matcher, such as `expect.any(String)`. */
export interface Matcher {
  asymmetricMatch(value: unknown): boolean;
}

/**
 * Stands in an expected event or answer for any value that is there; so does a matcher of jest or vitest such as `expect.any(String)`.
 *
 * ```ts
 * given(ada).when((user) => user.suspend('spam')).then({ type: 'UserSuspended', at: anything });
 * ```
 */
export const anything: never = {
  asymmetricMatch: (value: unknown) => value !== undefined && value !== null,
} satisfies Matcher as never;

export const isMatcher = (value: unknown): value is Matcher =>
  typeof value === 'object' && value !== null && 'asymmetricMatch' in value && typeof value.asymmetricMatch === 'function';
