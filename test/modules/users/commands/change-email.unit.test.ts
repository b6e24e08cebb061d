import { describe, it } from '@jest/globals';
import { changeEmail } from '../../../../src/modules/users/commands/change-email.ts';
import { answered, nothing, refused, TEST_TIME } from '../../../../src/testing/index.ts';
import { deleted, PASSWORD, person } from '../given-users.ts';
import { usersInMemory } from '../memory/in-memory.ts';

const { given } = usersInMemory();
const ada = person('Ada Lovelace');
const grace = person('Grace Hopper');
const email = 'countess@example.org';

describe('changeEmail', () => {
  it('moves a user to another address', () =>
    given(ada)
      .when(changeEmail, { userId: ada.id, email })
      .then({ type: 'UserEmailChanged', email }, answered({ user: { id: ada.id, email, version: 2n, updatedAt: TEST_TIME } })));

  it('takes white space from the ends of the address', () =>
    given(ada)
      .when(changeEmail, { userId: ada.id, email: ` ${email} ` })
      .then({ type: 'UserEmailChanged', email }));

  it("changes the case of a user's own address", () =>
    given(ada)
      .when(changeEmail, { userId: ada.id, email: 'Ada@Example.org' })
      .then({ type: 'UserEmailChanged', email: 'Ada@Example.org' }));

  it('to the address that the user has changes nothing', () =>
    given(ada)
      .when(changeEmail, { userId: ada.id, email: ada.email })
      .then(nothing, answered({ user: { version: 1n } })));

  it('refuses an address that somebody else has, in any case', () =>
    given(ada, grace).when(changeEmail, { userId: ada.id, email: 'GRACE@example.org' }).then(refused('EMAIL_TAKEN')));

  it('refuses a user who does not exist', () =>
    given().when(changeEmail, { userId: ada.id, email }).then(refused('USER_NOT_FOUND')));

  it('refuses a deleted user', () =>
    given(person('Ada', deleted)).when(changeEmail, { userId: ada.id, email }).then(refused('USER_DELETED')));

  it('refuses another version than the expected one', () =>
    given(ada)
      .when(changeEmail, { userId: ada.id, email, expectedVersion: 3n })
      .then(refused('VERSION_MISMATCH', { metadata: { current_version: '1' } })));

  it('refuses what is no address', () =>
    given(ada)
      .when(changeEmail, { userId: ada.id, email: 'ada' })
      .then(refused('INVALID_REQUEST', { fields: ['email'] })));
});

describe('changeEmail of one’s own', () => {
  const asAda = { id: ada.id };

  it('takes the current password', () =>
    given(ada)
      .as(asAda)
      .when(changeEmail, { userId: ada.id, email, currentPassword: PASSWORD })
      .then({ type: 'UserEmailChanged', email }));

  it('takes a log-in of the last minutes', () =>
    given(ada)
      .as({ ...asAda, authenticatedAt: TEST_TIME })
      .when(changeEmail, { userId: ada.id, email })
      .then({ type: 'UserEmailChanged', email }));

  it('refuses a token alone', () =>
    given(ada).as(asAda).when(changeEmail, { userId: ada.id, email }).then(refused('REAUTHENTICATION_NEEDED')));

  it('refuses a wrong password', () =>
    given(ada)
      .as(asAda)
      .when(changeEmail, { userId: ada.id, email, currentPassword: 'wrong' })
      .then(refused('CURRENT_PASSWORD_WRONG')));

  it('refuses somebody else', () =>
    given(ada).as({ id: grace.id }).when(changeEmail, { userId: ada.id, email }).then(refused('PERMISSION_MISSING')));

  it('refuses a caller without a token', () =>
    given(ada).as({}).when(changeEmail, { userId: ada.id, email }).then(refused('TOKEN_MISSING')));
});
