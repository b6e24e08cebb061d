import { describe, expect, it } from '@jest/globals';
import { endSessions } from '../../../../src/modules/users/commands/end-sessions.ts';
import type { User } from '../../../../src/modules/users/domain/user.ts';
import { answered, refused, state, testId } from '../../../../src/testing/index.ts';
import { deleted, person } from '../given-users.ts';
import { usersInMemory } from '../memory/in-memory.ts';

const { given } = usersInMemory();
const ada = person('Ada Lovelace');
const session = testId('session');
const ended = { type: 'UserSessionsEnded' };

describe('endSessions', () => {
  it('ends all sessions of a user, which is no new version', () =>
    given(ada)
      .when(endSessions, { userId: ada.id })
      .then(ended, answered({ user: { version: 1n } }), state({ sessionEpoch: 2 })));

  it('keeps the one that it is called in when asked to', async () => {
    const { state: left } = await given(ada)
      .as({ id: ada.id, session })
      .when(endSessions, { userId: ada.id, keepCurrent: true })
      .then(ended);
    expect((left as User).holdsSession({ id: session, epoch: 1 })).toBe(true);
    expect((left as User).holdsSession({ id: testId('another session'), epoch: 1 })).toBe(false);
  });

  it('refuses to keep the session of somebody else', () =>
    given(ada)
      .when(endSessions, { userId: ada.id, keepCurrent: true })
      .then(refused('INVALID_REQUEST', { fields: ['keep_current'] })));

  it('refuses a deleted user', () =>
    given(person('Ada', deleted)).when(endSessions, { userId: ada.id }).then(refused('USER_DELETED')));

  it('refuses a user who does not exist', () => given().when(endSessions, { userId: ada.id }).then(refused('USER_NOT_FOUND')));
});
