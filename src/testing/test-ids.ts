import { hash } from 'node:crypto';

/**
 * The time of a test's commands, where the test names no other.
 *
 * ```ts
 * given(ada).when((user) => user.suspend('spam', { at: TEST_TIME })).then({ type: 'UserSuspended', at: TEST_TIME });
 * ```
 */
export const TEST_TIME = new Date('2026-01-01T12:00:00.000Z');

/**
 * The id of something in a test: a UUIDv7 (RFC 9562), the same in every run. A name stands for something that is given; the number `n`
 * is the n-th id that the command under test takes from `newId`.
 *
 * ```ts
 * const ada = User.create({ id: testId('ada'), … });
 * await given().when(createUser, { … }).then(…, answered({ user: { id: testId(1) } }));
 * ```
 */
export function testId(name: string | number): string {
  return uuid(TEST_TIME, typeof name === 'number' ? `the new id ${name}` : `given ${name}`);
}

/** A UUIDv7 of that time whose random bits are those of a text. */
export function uuid(time: Date, text: string): string {
  const ms = time.getTime().toString(16).padStart(12, '0');
  const bits = hash('sha256', text, 'hex');
  return `${ms.slice(0, 8)}-${ms.slice(8)}-7${bits.slice(0, 3)}-8${bits.slice(3, 6)}-${bits.slice(6, 18)}`;
}
