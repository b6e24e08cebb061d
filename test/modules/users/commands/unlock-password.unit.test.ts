import { describe, expect, it } from '@jest/globals';
import { unlockPassword } from '../../../../src/modules/users/commands/unlock-password.ts';
import { answered, nothing, refused } from '../../../../src/testing/index.ts';
import { deleted, person } from '../given-users.ts';
import { usersInMemory } from '../memory/in-memory.ts';

const { given, forgotten } = usersInMemory();
const ada = person('Ada Lovelace');
const request = { userId: ada.id, reason: 'she called' };

describe('unlockPassword', () => {
  it('forgets the wrong guesses and leaves the user as they are', async () => {
    await given(ada)
      .when(unlockPassword, request)
      .then(nothing, answered({ user: { id: ada.id, version: 1n } }));
    expect(forgotten).toEqual([`guesses of ${ada.id}`]);
  });

  it('refuses a deleted user', () => given(person('Ada', deleted)).when(unlockPassword, request).then(refused('USER_DELETED')));

  it('refuses a user who does not exist', () => given().when(unlockPassword, request).then(refused('USER_NOT_FOUND')));

  it('refuses the users themselves', () =>
    given(ada).as({ id: ada.id }).when(unlockPassword, request).then(refused('PERMISSION_MISSING')));
});
