import { describe, it } from '@jest/globals';
import { refreshSession } from '../../../../src/modules/users/commands/refresh-session.ts';
import { answered, nothing, refused, TEST_TIME, testId } from '../../../../src/testing/index.ts';
import { person, suspended } from '../given-users.ts';
import { usersInMemory } from '../memory/in-memory.ts';
import { LIFETIME, refreshTokenOf, session } from '../memory/sessions.ts';

const { given } = usersInMemory();
const ada = person('Ada Lovelace');
const id = testId('session');
const ofAda = session({ id, userId: ada.id, epoch: 1, authenticatedAt: TEST_TIME });
const request = { refreshToken: refreshTokenOf(id) };
const invalid = (cause: string) => refused('REFRESH_TOKEN_INVALID', { metadata: { cause } });

describe('refreshSession', () => {
  it('gets an access token of the session and the next refresh token', () =>
    given(ada, ofAda)
      .when(refreshSession, request)
      .then(
        nothing,
        answered({ accessToken: `access of ${ada.id} in ${id}`, refreshToken: refreshTokenOf(id, 2), user: { id: ada.id } }),
      ));

  it('refuses a token of no session', () => given(ada).when(refreshSession, request).then(invalid('UNKNOWN')));

  it('refuses a token that was not used for too long', () =>
    given(ada, ofAda)
      .at(new Date(TEST_TIME.getTime() + LIFETIME.idleMs))
      .when(refreshSession, request)
      .then(invalid('EXPIRED')));

  it('takes each token once, and ends the session of one that comes again', async () => {
    const scenario = given(ada, ofAda);
    await scenario.when(refreshSession, request).then(nothing);
    await scenario.when(refreshSession, request).then(invalid('REUSED'));
    await scenario.when(refreshSession, { refreshToken: refreshTokenOf(id, 2) }).then(invalid('UNKNOWN'));
  });

  it('refuses the session of a user who was suspended', () =>
    given(person('Ada', suspended), ofAda).when(refreshSession, request).then(invalid('ENDED')));

  it('refuses a session that began before all were ended', () =>
    given(
      person('Ada', (user) => user.endSessions('')),
      ofAda,
    )
      .when(refreshSession, request)
      .then(invalid('ENDED')));

  it('goes on with the one session that was kept when the others were ended', () =>
    given(
      person('Ada', (user) => user.endSessions(id)),
      ofAda,
    )
      .when(refreshSession, request)
      .then(nothing));
});
