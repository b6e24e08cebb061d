import { describe, it } from '@jest/globals';
import { grantRole } from '../../../../src/modules/users/commands/grant-role.ts';
import { answered, nothing, refused } from '../../../../src/testing/index.ts';
import { admin, deleted, person } from '../given-users.ts';
import { usersInMemory } from '../memory/in-memory.ts';

const { given } = usersInMemory();
const ada = person('Ada Lovelace');

describe('grantRole', () => {
  it('gives a user a role', () =>
    given(ada)
      .when(grantRole, { userId: ada.id, role: 'auditor' })
      .then({ type: 'UserRoleGranted', role: 'auditor' }, answered({ user: { roles: ['auditor'], version: 2n } })));

  it('of a role that is held changes nothing', () =>
    given(person('Ada', admin))
      .when(grantRole, { userId: ada.id, role: 'admin' })
      .then(nothing, answered({ user: { roles: ['admin'] } })));

  it('refuses a role that there is none of', () =>
    given(ada)
      .when(grantRole, { userId: ada.id, role: 'king' })
      .then(refused('ROLE_UNKNOWN', { fields: ['role'] })));

  it('refuses a deleted user', () =>
    given(person('Ada', deleted)).when(grantRole, { userId: ada.id, role: 'admin' }).then(refused('USER_DELETED')));

  it('refuses a user who does not exist', () =>
    given().when(grantRole, { userId: ada.id, role: 'admin' }).then(refused('USER_NOT_FOUND')));

  it('refuses another version than the expected one', () =>
    given(ada).when(grantRole, { userId: ada.id, role: 'admin', expectedVersion: 2n }).then(refused('VERSION_MISMATCH')));

  it('refuses the users themselves', () =>
    given(ada).as({ id: ada.id }).when(grantRole, { userId: ada.id, role: 'admin' }).then(refused('PERMISSION_MISSING')));
});
