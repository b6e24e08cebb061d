import { describe, it } from '@jest/globals';
import { logOut } from '../../../../src/modules/users/commands/log-out.ts';
import { refreshSession } from '../../../../src/modules/users/commands/refresh-session.ts';
import { nobody, refused, TEST_TIME, testId } from '../../../../src/testing/index.ts';
import { deleted, person } from '../given-users.ts';
import { usersInMemory } from '../memory/in-memory.ts';
import { refreshTokenOf, session } from '../memory/sessions.ts';

const { given } = usersInMemory();
const ada = person('Ada Lovelace');
const id = testId('session');
const ofAda = session({ id, userId: ada.id, epoch: 1, authenticatedAt: TEST_TIME });
const asAda = { id: ada.id, session: id };

describe('logOut', () => {
  it('ends the session that it is called in', async () => {
    const scenario = given(ada, ofAda);
    await scenario.as(asAda).when(logOut, {}).then({ type: 'UserLoggedOut', sessionId: id });
    await scenario.when(refreshSession, { refreshToken: refreshTokenOf(id) }).then(refused('REFRESH_TOKEN_INVALID'));
  });

  it.each([
    ['of an operator', { id: 'operator' }],
    ['of another issuer', { id: ada.id, session: 'theirs' }],
    ['of a user who does not exist', { id: testId('nobody'), session: id }],
  ])('refuses a token %s', (_, caller) => given(ada).as(caller).when(logOut, {}).then(refused('SESSION_UNKNOWN')));

  it('refuses a deleted user', () => given(person('Ada', deleted)).as(asAda).when(logOut, {}).then(refused('USER_DELETED')));

  it('refuses a caller without a token', () => given(ada).as(nobody).when(logOut, {}).then(refused('TOKEN_MISSING')));
});
