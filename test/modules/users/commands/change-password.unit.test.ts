import { describe, expect, it } from '@jest/globals';
import { changePassword } from '../../../../src/modules/users/commands/change-password.ts';
import { answered, refused, state } from '../../../../src/testing/index.ts';
import { deleted, PASSWORD, person, suspended } from '../given-users.ts';
import { usersInMemory } from '../memory/in-memory.ts';
import { hashOf } from '../memory/passwords.ts';

const { given, forgotten } = usersInMemory();
const ada = person('Ada Lovelace');
const asAda = { id: ada.id, session: 'this one' };
const newPassword = 'five blue camels sing';
const request = { userId: ada.id, currentPassword: PASSWORD, newPassword };

describe('changePassword', () => {
  it('replaces the password, ends the other sessions and forgets the wrong guesses', async () => {
    await given(ada)
      .as(asAda)
      .when(changePassword, request)
      .then(
        { type: 'UserPasswordChanged' },
        answered({ user: { version: 2n } }),
        state({ passwordHash: hashOf(newPassword), sessionEpoch: 2 }),
      );
    expect(forgotten).toEqual([`guesses of ${ada.id}`]);
  });

  it('refuses a wrong current password', () =>
    given(ada)
      .as(asAda)
      .when(changePassword, { ...request, currentPassword: 'wrong' })
      .then(refused('CURRENT_PASSWORD_WRONG')));

  it.each([
    ['one of the most common', 'password1234567', 'PASSWORD_COMMON'],
    ['with the address in it', 'ada@example.org rules', 'PASSWORD_PERSONAL'],
  ])('refuses a new password %s', (_, password, reason) =>
    given(ada)
      .as(asAda)
      .when(changePassword, { ...request, newPassword: password })
      .then(refused(reason, { fields: ['new_password'] })),
  );

  it('refuses a suspended user', () =>
    given(person('Ada', suspended)).as(asAda).when(changePassword, request).then(refused('USER_SUSPENDED')));

  it('knows no deleted user, who has no password', () =>
    given(person('Ada', deleted)).as(asAda).when(changePassword, request).then(refused('USER_NOT_FOUND')));

  it('refuses a user who does not exist', () => given().as(asAda).when(changePassword, request).then(refused('USER_NOT_FOUND')));

  it('refuses an operator: the password is the user’s own', () =>
    given(ada).when(changePassword, request).then(refused('PERMISSION_MISSING')));
});
