import { describe, it } from '@jest/globals';
import { revokeRole } from '../../../../src/modules/users/commands/revoke-role.ts';
import { answered, nothing, refused, state } from '../../../../src/testing/index.ts';
import { admin, auditor, deleted, person, suspended } from '../given-users.ts';
import { usersInMemory } from '../memory/in-memory.ts';

const { given } = usersInMemory();
const ada = person('Ada Lovelace', auditor);
const boss = person('Ada Lovelace', admin);

describe('revokeRole', () => {
  it('takes a role from a user and ends their sessions', () =>
    given(ada)
      .when(revokeRole, { userId: ada.id, role: 'auditor' })
      .then({ type: 'UserRoleRevoked', role: 'auditor' }, answered({ user: { roles: [] } }), state({ sessionEpoch: 2 })));

  it('of a role that is not held changes nothing', () =>
    given(ada)
      .when(revokeRole, { userId: ada.id, role: 'operator' })
      .then(nothing, answered({ user: { roles: ['auditor'] } })));

  it('refuses to take the role from the last active admin', () =>
    given(boss).when(revokeRole, { userId: boss.id, role: 'admin' }).then(refused('LAST_ADMIN')));

  it('counts suspended admins for none', () =>
    given(boss, person('Grace', admin, suspended))
      .when(revokeRole, { userId: boss.id, role: 'admin' })
      .then(refused('LAST_ADMIN')));

  it('takes it from an admin when there is another one', () =>
    given(boss, person('Grace', admin))
      .when(revokeRole, { userId: boss.id, role: 'admin' })
      .then({ type: 'UserRoleRevoked', role: 'admin' }));

  it('refuses a deleted user', () =>
    given(person('Ada', deleted)).when(revokeRole, { userId: ada.id, role: 'admin' }).then(refused('USER_DELETED')));

  it('refuses a user who does not exist', () =>
    given().when(revokeRole, { userId: ada.id, role: 'admin' }).then(refused('USER_NOT_FOUND')));

  it('refuses another version than the expected one', () =>
    given(ada).when(revokeRole, { userId: ada.id, role: 'auditor', expectedVersion: 2n }).then(refused('VERSION_MISMATCH')));
});
