import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import pg from 'pg';
import { CommandService } from '../../../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../../../gen/users/v1/query_service_pb.js';
import { refusalOf } from '../../../support/errors.ts';
import { eventually } from '../../../support/eventually.ts';
import { asAdmin, logIn, PASSWORD, signUp } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

describe('ending sessions', () => {
  let second: TestApp;
  beforeAll(async () => {
    second = await startTestApp({ beside: app });
  });
  afterAll(() => second.stop());

  /** Whether a token still opens its own account on every instance. */
  const worksEverywhere = async (token: string, userId: string): Promise<boolean[]> =>
    Promise.all(
      [app, second].map((instance) =>
        instance
          .client(QueryService, { token })
          .getUser({ userId })
          .then(
            () => true,
            () => false,
          ),
      ),
    );

  it.each([
    ['a suspension', (userId: string) => asAdmin(app).suspendUser({ userId, reason: 'test' })],
    ['a deletion', (userId: string) => asAdmin(app).deleteUser({ userId })],
    [
      'the loss of a role',
      async (userId: string) => {
        await asAdmin(app).revokeRole({ userId, role: 'auditor' });
      },
    ],
  ])('%s ends the tokens on every instance', async (_, act) => {
    const user = await signUp(app);
    await asAdmin(app).grantRole({ userId: user.id, role: 'auditor' });
    const token = await logIn(app, user);
    expect(await worksEverywhere(token, user.id)).toEqual([true, true]);
    await act(user.id);
    await eventually(async () => expect(await worksEverywhere(token, user.id)).toEqual([false, false]));
    expect(await refusalOf(second.client(QueryService, { token }).getUser({ userId: user.id }))).toMatchObject({
      code: 'Unauthenticated',
      reason: 'TOKEN_INVALID',
      metadata: { cause: 'REVOKED' },
    });
  });

  it('a change of password ends all tokens but the one it was made with', async () => {
    const user = await signUp(app);
    const [mine, other] = [await logIn(app, user), await logIn(app, user)];
    const newPassword = 'eleven quiet rivers bend';
    await app.client(CommandService, { token: mine }).changePassword({ userId: user.id, currentPassword: PASSWORD, newPassword });
    await eventually(async () => expect(await worksEverywhere(other, user.id)).toEqual([false, false]));
    expect(await worksEverywhere(mine, user.id)).toEqual([true, true]);
    expect(await refusalOf(logIn(app, user))).toMatchObject({ reason: 'CREDENTIALS_INVALID' });
    expect(await worksEverywhere(await logIn(app, user, newPassword), user.id)).toEqual([true, true]);
  });

  it('is heard of while queries keep every connection to the primary busy', async () => {
    const user = await signUp(app);
    const token = await logIn(app, user);
    const lock = new pg.Client(app.database.connections.owner);
    await lock.connect();
    await lock.query('begin');
    await lock.query('lock table read.user_directory in access exclusive mode');
    const headers = { 'cqrs-consistency': 'strong' };
    const auditor = app.client(QueryService, { roles: ['auditor'] });
    const waiting = Promise.allSettled(Array.from({ length: 60 }, () => auditor.listUsers({}, { headers })));
    // A command cannot write either; what it would write of the session is written here.
    const { sid } = decodeJwt(token);
    await app.database.query('insert into read.closed_session values ($1, $2, now(), pg_current_xact_id())', [sid, user.id]);
    const self = app.client(CommandService, { token });
    await eventually(async () => {
      const refused = self.endSessions({ userId: user.id }, { timeoutMs: 200 });
      expect(await refusalOf(refused)).toMatchObject({ reason: 'TOKEN_INVALID', metadata: { cause: 'REVOKED' } });
    });
    await lock.end();
    await waiting;
  });

  it('is known to an instance that starts afterwards', async () => {
    const user = await signUp(app);
    const token = await logIn(app, user);
    await asAdmin(app).suspendUser({ userId: user.id, reason: 'test' });
    const third = await startTestApp({ beside: app });
    try {
      const refusal = await refusalOf(third.client(QueryService, { token }).getUser({ userId: user.id }));
      expect(refusal).toMatchObject({ reason: 'TOKEN_INVALID' });
    } finally {
      await third.stop();
    }
  });
});

describe('changePassword', () => {
  it('refuses a wrong current password, a weak new one, and another caller', async () => {
    const user = await signUp(app);
    const client = app.client(CommandService, { token: await logIn(app, user) });
    const change = { userId: user.id, currentPassword: PASSWORD, newPassword: 'eleven quiet rivers bend' };
    expect(await refusalOf(client.changePassword({ ...change, currentPassword: 'not the right password' }))).toMatchObject({
      code: 'FailedPrecondition',
      reason: 'CURRENT_PASSWORD_WRONG',
    });
    expect(await refusalOf(client.changePassword({ ...change, newPassword: `${user.email} and more` }))).toMatchObject({
      reason: 'PASSWORD_PERSONAL',
      fields: ['new_password'],
    });
    expect(await refusalOf(asAdmin(app).changePassword(change))).toMatchObject({ code: 'PermissionDenied' });
  });
});
