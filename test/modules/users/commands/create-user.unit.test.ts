import { describe, it } from '@jest/globals';
import { UserStatus } from '#gen/users/v1/user_pb.js';
import { createUser } from '../../../../src/modules/users/commands/create-user.ts';
import { answered, nobody, refused, state, TEST_TIME, testId } from '../../../../src/testing/index.ts';
import { PASSWORD, person } from '../given-users.ts';
import { usersInMemory } from '../memory/in-memory.ts';
import { hashOf } from '../memory/passwords.ts';

const { given } = usersInMemory();
const request = { email: 'ada@example.org', name: 'Ada Lovelace', password: PASSWORD };

describe('createUser', () => {
  it('opens an account for anybody', () =>
    given()
      .as(nobody)
      .when(createUser, request)
      .then(
        { type: 'UserCreated', email: request.email, name: request.name },
        answered({ user: { id: testId(1), status: UserStatus.ACTIVE, roles: [], createdAt: TEST_TIME, version: 1n } }),
        state({ passwordHash: hashOf(PASSWORD) }),
      ));

  it('keeps a password in one form, however it is typed', () =>
    given()
      .when(createUser, { ...request, password: 'ﬁve blue camels sing' })
      .then(
        { type: 'UserCreated', email: request.email, name: request.name },
        state({ passwordHash: hashOf('five blue camels sing') }),
      ));

  it('refuses an address that somebody has, in any case', () =>
    given(person('Ada'))
      .when(createUser, { ...request, email: 'ADA@example.org' })
      .then(refused('EMAIL_TAKEN')));

  it.each([
    ['one of the most common', 'password1234567', 'PASSWORD_COMMON'],
    ['with the name in it', 'the ada lovelace way', 'PASSWORD_PERSONAL'],
    ['that is too short once it is normalized', `${'a\u0301'.repeat(2)}bcdefghijklm`, 'INVALID_REQUEST'],
  ])('refuses a password %s', (_, password, reason) =>
    given()
      .when(createUser, { ...request, password })
      .then(refused(reason, { fields: ['password'] })),
  );

  it('tells everything that is wrong with a request', () =>
    given()
      .when(createUser, { email: 'ada', name: '', password: 'short' })
      .then(refused('INVALID_REQUEST', { fields: ['email', 'name', 'password'] })));
});
