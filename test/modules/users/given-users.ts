import { User } from '../../../src/modules/users/domain/user.ts';
import { TEST_TIME, testId } from '../../../src/testing/index.ts';
import { hashOf } from './memory/passwords.ts';

/** When those who are given were created. */
export const BORN = new Date(TEST_TIME.getTime() - 24 * 3_600_000);

/** The password of everybody who is given. */
export const PASSWORD = 'seven green lamps hum';

/** Somebody whose password was hashed with weaker parameters than today's. */
export const weaklyHashed = (name: string): User =>
  person(name, (user) => user.changePassword(hashOf(PASSWORD, 1), '', { at: BORN }));

/** Somebody who is given, with what happened to them before; by the name an id and an address, `ada@example.org`. */
export function person(name: string, ...history: ((user: User) => unknown)[]): User {
  const [first = ''] = name.toLowerCase().split(' ');
  const user = User.create({
    id: testId(first),
    email: `${first}@example.org`,
    name,
    passwordHash: hashOf(PASSWORD),
    at: BORN,
  });
  for (const happen of history) happen(user);
  return user;
}

const at = BORN;
export const suspended = (user: User): unknown => user.suspend('spam', { at });
export const deleted = (user: User): unknown => user.delete({ at });
export const admin = (user: User): unknown => user.grantRole('admin', { at });
export const auditor = (user: User): unknown => user.grantRole('auditor', { at });
