import { describe, it } from '@jest/globals';
import { UserStatus } from '#gen/users/v1/user_pb.js';
import { suspendUser } from '../../../../src/modules/users/commands/suspend-user.ts';
import { answered, nothing, refused, state } from '../../../../src/testing/index.ts';
import { admin, deleted, person, suspended } from '../given-users.ts';
import { usersInMemory } from '../memory/in-memory.ts';

const { given } = usersInMemory();
const ada = person('Ada Lovelace');
const request = { userId: ada.id, reason: 'spam' };

describe('suspendUser', () => {
  it('bars a user and ends their sessions', () =>
    given(ada)
      .when(suspendUser, request)
      .then(
        { type: 'UserSuspended', reason: 'spam' },
        answered({ user: { status: UserStatus.SUSPENDED, version: 2n } }),
        state({ sessionEpoch: 2 }),
      ));

  it('of a suspended user changes nothing', () => given(person('Ada', suspended)).when(suspendUser, request).then(nothing));

  it('refuses the last active admin', () => given(person('Ada', admin)).when(suspendUser, request).then(refused('LAST_ADMIN')));

  it('suspends an admin when there is another one', () =>
    given(person('Ada', admin), person('Grace', admin))
      .when(suspendUser, request)
      .then({ type: 'UserSuspended', reason: 'spam' }));

  it('refuses a deleted user', () => given(person('Ada', deleted)).when(suspendUser, request).then(refused('USER_DELETED')));

  it('refuses a user who does not exist', () => given().when(suspendUser, request).then(refused('USER_NOT_FOUND')));

  it('refuses another version than the expected one', () =>
    given(ada)
      .when(suspendUser, { ...request, expectedVersion: 2n })
      .then(refused('VERSION_MISMATCH')));

  it('wants a reason', () =>
    given(ada)
      .when(suspendUser, { userId: ada.id })
      .then(refused('INVALID_REQUEST', { fields: ['reason'] })));

  it('refuses the users themselves', () =>
    given(ada).as({ id: ada.id }).when(suspendUser, request).then(refused('PERMISSION_MISSING')));
});
