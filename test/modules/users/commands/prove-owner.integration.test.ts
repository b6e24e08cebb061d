import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { createAccessTokenIssuer } from '../../../../src/kernel/auth/access-token.ts';
import { loadSigningKey } from '../../../../src/kernel/auth/key-files.ts';
import { commandIdOf } from '../../../support/command-id.ts';
import { refusalOf } from '../../../support/errors.ts';
import { recordOf } from '../../../support/logged-commands.ts';
import { asAdmin, logIn, PASSWORD, signUp, somebody } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

/** A user with a token whose log-in was so long ago; undefined is a token that does not say. */
async function loggedIn(secondsAgo: number | undefined, userId?: string) {
  const user = userId === undefined ? await signUp(app) : { id: userId };
  const issuer = createAccessTokenIssuer(await loadSigningKey(app.keyFile));
  const authenticatedAt = secondsAgo === undefined ? undefined : new Date(Date.now() - secondsAgo * 1000);
  const claims = { subject: user.id, roles: [], sessionEpoch: 1, now: new Date(), id: crypto.randomUUID(), authenticatedAt };
  const { token } = await issuer.issue(claims);
  return { id: user.id, client: app.client(CommandService, { token }) };
}

type Client = Awaited<ReturnType<typeof loggedIn>>['client'];
type Act = (client: Client, userId: string, currentPassword?: string) => Promise<unknown>;

const ACTS: readonly [string, Act][] = [
  [
    'changeEmail',
    (client, userId, currentPassword) =>
      client.changeEmail({ userId, email: somebody().email, ...(currentPassword !== undefined && { currentPassword }) }),
  ],
  [
    'deleteUser',
    (client, userId, currentPassword) => client.deleteUser({ userId, ...(currentPassword !== undefined && { currentPassword }) }),
  ],
];

const NEEDED = {
  code: 'FailedPrecondition',
  reason: 'REAUTHENTICATION_NEEDED',
  metadata: { field: 'current_password', max_age_seconds: '300' },
};

describe.each(ACTS)('%s of the own account', (_, act) => {
  it('needs more than a token: a log-in of the last minutes', async () => {
    for (const secondsAgo of [undefined, 400, -400]) {
      const { id, client } = await loggedIn(secondsAgo);
      expect(await refusalOf(act(client, id))).toMatchObject(NEEDED);
      expect(await refusalOf(act(client, id.toUpperCase()))).toMatchObject(NEEDED);
    }
    const { id, client } = await loggedIn(200);
    await act(client, id);
  });

  it('a refreshed token keeps the time of its log-in', async () => {
    const user = await signUp(app);
    const session = await app.client(CommandService).logIn({ email: user.email, password: PASSWORD });
    await app.database.query(`update users.session set authenticated_at = now() - interval '10 minutes' where user_id = $1`, [
      user.id,
    ]);
    const { accessToken } = await app.client(CommandService).refreshSession({ refreshToken: session.refreshToken });
    const client = app.client(CommandService, { token: accessToken });
    expect(await refusalOf(act(client, user.id))).toMatchObject(NEEDED);
    await act(client, user.id, PASSWORD);
  });

  it('takes the current password instead, and looks at it whenever it is sent', async () => {
    const { id, client } = await loggedIn(400);
    expect(await refusalOf(act(client, id, 'not the password'))).toMatchObject({
      code: 'FailedPrecondition',
      reason: 'CURRENT_PASSWORD_WRONG',
    });
    const recent = await loggedIn(10, id);
    expect(await refusalOf(act(recent.client, id, 'not the password'))).toMatchObject({ reason: 'CURRENT_PASSWORD_WRONG' });
    await act(client, id, PASSWORD);
  });

  it('is done by operators without a password, whatever they send', async () => {
    await act(asAdmin(app), (await signUp(app)).id);
    await act(asAdmin(app), (await signUp(app)).id, 'not the password');
  });
});

it('wrong passwords are counted together, and calls without one are not', async () => {
  const { id, client } = await loggedIn(400);
  for (let n = 0; n < 10; n += 1) expect(await refusalOf(client.deleteUser({ userId: id }))).toMatchObject(NEEDED);
  const wrong = { userId: id, currentPassword: 'not the password' };
  const guesses = [
    () => client.changeEmail({ ...wrong, email: somebody().email }),
    () => client.deleteUser(wrong),
    () => client.changePassword({ ...wrong, newPassword: 'eleven quiet rivers bend' }),
  ];
  for (let n = 0; n < 6; n += 1) {
    expect(await refusalOf((guesses[n % 3] ?? guesses[0])?.() as never)).toMatchObject({ reason: 'CURRENT_PASSWORD_WRONG' });
  }
  for (const guess of guesses) expect(await refusalOf(guess())).toMatchObject({ reason: 'GUESSES_THROTTLED' });
  // The right password is not looked at either; what needs none goes on.
  expect(await refusalOf(client.deleteUser({ userId: id, currentPassword: PASSWORD }))).toMatchObject({
    reason: 'GUESSES_THROTTLED',
  });
  await asAdmin(app).changeEmail({ userId: id, email: somebody().email });
  await (await loggedIn(10, id)).client.deleteUser({ userId: id });
});

it('the password is on no record', async () => {
  const { id, client } = await loggedIn(400);
  const commandId = await commandIdOf((onHeader) => client.deleteUser({ userId: id, currentPassword: PASSWORD }, { onHeader }));
  expect(await recordOf(app, commandId)).toMatchObject({
    outcome: 'succeeded',
    request: { userId: id, currentPassword: '[redacted]' },
  });
  expect(app.log()).not.toContain(PASSWORD);
});

it('a log-in counts as recent at once', async () => {
  const user = await signUp(app);
  const client = app.client(CommandService, { token: await logIn(app, user) });
  await client.changeEmail({ userId: user.id, email: somebody().email });
  await client.deleteUser({ userId: user.id });
});
