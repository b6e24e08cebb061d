import { describe, it } from '@jest/globals';
import { logIn } from '../../../../src/modules/users/commands/log-in.ts';
import { answered, nobody, refused, state, TEST_TIME, testId } from '../../../../src/testing/index.ts';
import { BORN, deleted, PASSWORD, person, suspended, weaklyHashed } from '../given-users.ts';
import { usersInMemory } from '../memory/in-memory.ts';
import { hashOf } from '../memory/passwords.ts';
import { refreshTokenOf } from '../memory/sessions.ts';

const { given } = usersInMemory();
const ada = person('Ada Lovelace');
const request = { email: ada.email, password: PASSWORD };
const loggedIn = { type: 'UserLoggedIn', loggedInAt: TEST_TIME };

describe('logIn', () => {
  it('begins a session and notes the log-in, which is no new version', () =>
    given(ada)
      .as(nobody)
      .when(logIn, request)
      .then(
        loggedIn,
        answered({
          accessToken: `access of ${ada.id} in ${testId(1)}`,
          refreshToken: refreshTokenOf(testId(1)),
          user: { lastLoginAt: TEST_TIME, updatedAt: BORN, version: 1n },
        }),
      ));

  it('knows the address in any case', () =>
    given(ada)
      .when(logIn, { ...request, email: 'ADA@example.org' })
      .then(loggedIn));

  it('hashes the password again when the stored hash is weaker than today’s', () =>
    given(weaklyHashed('Ada'))
      .when(logIn, request)
      .then(loggedIn, state({ passwordHash: hashOf(PASSWORD) })));

  it('refuses a wrong password', () =>
    given(ada)
      .when(logIn, { ...request, password: 'wrong' })
      .then(refused('CREDENTIALS_INVALID')));

  it('refuses an unknown address in the same words', () =>
    given()
      .when(logIn, request)
      .then(refused('CREDENTIALS_INVALID', { message: 'the e-mail or the password is wrong' })));

  it('refuses a deleted user in the same words', () =>
    given(person('Ada', deleted)).when(logIn, request).then(refused('CREDENTIALS_INVALID')));

  it('refuses a suspended user, whose password is right', () =>
    given(person('Ada', suspended)).when(logIn, request).then(refused('USER_SUSPENDED')));
});
