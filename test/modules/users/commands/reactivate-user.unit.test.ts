import { describe, it } from '@jest/globals';
import { UserStatus } from '#gen/users/v1/user_pb.js';
import { reactivateUser } from '../../../../src/modules/users/commands/reactivate-user.ts';
import { answered, nothing, refused } from '../../../../src/testing/index.ts';
import { deleted, person, suspended } from '../given-users.ts';
import { usersInMemory } from '../memory/in-memory.ts';

const { given } = usersInMemory();
const ada = person('Ada Lovelace', suspended);
const request = { userId: ada.id, reason: 'it was a mistake' };

describe('reactivateUser', () => {
  it('lets a suspended user in again', () =>
    given(ada)
      .when(reactivateUser, request)
      .then({ type: 'UserReactivated', reason: 'it was a mistake' }, answered({ user: { status: UserStatus.ACTIVE } })));

  it('of an active user changes nothing', () => given(person('Ada')).when(reactivateUser, request).then(nothing));

  it('refuses a deleted user', () => given(person('Ada', deleted)).when(reactivateUser, request).then(refused('USER_DELETED')));

  it('refuses a user who does not exist', () => given().when(reactivateUser, request).then(refused('USER_NOT_FOUND')));

  it('refuses another version than the expected one', () =>
    given(ada)
      .when(reactivateUser, { ...request, expectedVersion: 7n })
      .then(refused('VERSION_MISMATCH')));

  it('refuses the users themselves', () =>
    given(ada).as({ id: ada.id }).when(reactivateUser, request).then(refused('PERMISSION_MISSING')));
});
