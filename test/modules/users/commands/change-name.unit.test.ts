import { describe, it } from '@jest/globals';
import { changeName } from '../../../../src/modules/users/commands/change-name.ts';
import { answered, nothing, refused } from '../../../../src/testing/index.ts';
import { deleted, person } from '../given-users.ts';
import { usersInMemory } from '../memory/in-memory.ts';

const { given } = usersInMemory();
const ada = person('Ada Lovelace');

describe('changeName', () => {
  it('renames a user', () =>
    given(ada)
      .when(changeName, { userId: ada.id, name: 'Augusta' })
      .then({ type: 'UserNameChanged', name: 'Augusta' }, answered({ user: { name: 'Augusta', version: 2n } })));

  it('lets users rename themselves, whatever the case of their id', () =>
    given(ada)
      .as({ id: ada.id })
      .when(changeName, { userId: ada.id.toUpperCase(), name: 'Augusta' })
      .then({ type: 'UserNameChanged', name: 'Augusta' }));

  it('to the name that the user has changes nothing', () =>
    given(ada)
      .when(changeName, { userId: ada.id, name: ` ${ada.name}` })
      .then(nothing, answered({ user: { version: 1n } })));

  it('refuses a name of nothing but white space', () =>
    given(ada)
      .when(changeName, { userId: ada.id, name: ' ' })
      .then(refused('INVALID_REQUEST', { fields: ['name'] })));

  it('refuses a user who does not exist', () =>
    given().when(changeName, { userId: ada.id, name: 'Augusta' }).then(refused('USER_NOT_FOUND')));

  it('refuses a deleted user', () =>
    given(person('Ada', deleted)).when(changeName, { userId: ada.id, name: 'Augusta' }).then(refused('USER_DELETED')));

  it('refuses another version than the expected one', () =>
    given(ada).when(changeName, { userId: ada.id, name: 'Augusta', expectedVersion: 0n }).then(refused('VERSION_MISMATCH')));

  it('refuses somebody else', () =>
    given(ada)
      .as({ id: person('Grace').id })
      .when(changeName, { userId: ada.id, name: 'Augusta' })
      .then(refused('PERMISSION_MISSING')));
});
