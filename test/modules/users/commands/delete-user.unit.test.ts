import { describe, expect, it } from '@jest/globals';
import { UserStatus } from '#gen/users/v1/user_pb.js';
import { deleteUser } from '../../../../src/modules/users/commands/delete-user.ts';
import { answered, refused, state, TEST_TIME } from '../../../../src/testing/index.ts';
import { admin, deleted, PASSWORD, person } from '../given-users.ts';
import { usersInMemory } from '../memory/in-memory.ts';

const { given, forgotten } = usersInMemory();
const ada = person('Ada Lovelace');
const asAda = { id: ada.id };

describe('deleteUser', () => {
  it('erases what is personal, keeps the fact and ends the sessions', async () => {
    await given(ada)
      .when(deleteUser, { userId: ada.id })
      .then(
        { type: 'UserDeleted' },
        answered({ user: { id: ada.id, email: '', name: '', status: UserStatus.DELETED, version: 2n } }),
        state({ passwordHash: undefined, sessionEpoch: 2 }),
      );
    expect(forgotten).toEqual([`clients of ${ada.id}`]);
  });

  it('takes the current password from the users themselves', () =>
    given(ada).as(asAda).when(deleteUser, { userId: ada.id, currentPassword: PASSWORD }).then({ type: 'UserDeleted' }));

  it('takes a log-in of the last minutes from the users themselves', () =>
    given(ada)
      .as({ ...asAda, authenticatedAt: TEST_TIME })
      .when(deleteUser, { userId: ada.id })
      .then({ type: 'UserDeleted' }));

  it('refuses a token alone', () =>
    given(ada).as(asAda).when(deleteUser, { userId: ada.id }).then(refused('REAUTHENTICATION_NEEDED')));

  it('refuses a wrong password', () =>
    given(ada).as(asAda).when(deleteUser, { userId: ada.id, currentPassword: 'wrong' }).then(refused('CURRENT_PASSWORD_WRONG')));

  it('refuses the last active admin', () =>
    given(person('Ada', admin), person('Grace')).when(deleteUser, { userId: ada.id }).then(refused('LAST_ADMIN')));

  it('deletes an admin when there is another one', () =>
    given(person('Ada', admin), person('Grace', admin)).when(deleteUser, { userId: ada.id }).then({ type: 'UserDeleted' }));

  it('refuses a user who is deleted', () =>
    given(person('Ada', deleted)).when(deleteUser, { userId: ada.id }).then(refused('USER_DELETED')));

  it('refuses a user who does not exist', () => given().when(deleteUser, { userId: ada.id }).then(refused('USER_NOT_FOUND')));

  it('refuses another version than the expected one', () =>
    given(ada).when(deleteUser, { userId: ada.id, expectedVersion: 2n }).then(refused('VERSION_MISMATCH')));
});
