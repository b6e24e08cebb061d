import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService } from '../../../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../../../gen/users/v1/query_service_pb.js';
import { refusalOf } from '../../../support/errors.ts';
import { asAdmin, logIn, PASSWORD, signUp, somebody } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

describe('logIn', () => {
  it('answers a token that opens the own account, and notes the time without raising the version', async () => {
    const user = await signUp(app);
    const {
      accessToken,
      expiresAt,
      user: answered,
    } = await app.client(CommandService).logIn({ email: user.email.toUpperCase(), password: PASSWORD });
    expect(answered).toMatchObject({ id: user.id, version: 1n });
    expect(answered?.lastLoginAt).toBeDefined();
    expect(Number(expiresAt?.seconds) * 1000 - Date.now()).toBeGreaterThan(14 * 60_000);
    const { user: me } = await app.client(QueryService, { token: accessToken }).getUser({ userId: user.id });
    expect(me?.id).toBe(user.id);
  });

  it('says the same of an unknown e-mail and of a wrong password', async () => {
    const user = await signUp(app);
    const wrong = await refusalOf(logIn(app, user, 'not the right password'));
    const unknown = await refusalOf(logIn(app, somebody()));
    expect(wrong).toEqual(unknown);
    expect(wrong).toMatchObject({ code: 'Unauthenticated', reason: 'CREDENTIALS_INVALID' });
  });

  it('takes a password in any Unicode form', async () => {
    const user = await signUp(app, { password: 'caf\u00e9 au lait, ma\u00f1ana' });
    expect(await logIn(app, user, 'cafe\u0301 au lait, man\u0303ana')).toBeTruthy();
  });

  it('hashes the password again when the parameters have risen since', async () => {
    const { hash } = await import('@node-rs/argon2');
    const user = await signUp(app);
    const weak = await hash(PASSWORD, { memoryCost: 8192, timeCost: 1, parallelism: 1 });
    await app.database.query('update users."user" set password_hash = $2 where id = $1', [user.id, weak]);
    await logIn(app, user);
    const [row] = await app.database.query<{ hash: string }>('select password_hash as hash from users."user" where id = $1', [
      user.id,
    ]);
    expect(row?.hash).toContain('$m=19456,t=2,p=1$');
    expect(await logIn(app, user)).toBeTruthy();
  });

  it('refuses a suspended user who knows the password, and tells one who does not nothing', async () => {
    const user = await signUp(app);
    await asAdmin(app).suspendUser({ userId: user.id, reason: 'spam' });
    expect(await refusalOf(logIn(app, user))).toMatchObject({ code: 'FailedPrecondition', reason: 'USER_SUSPENDED' });
    expect(await refusalOf(logIn(app, user, 'not the right password'))).toMatchObject({ reason: 'CREDENTIALS_INVALID' });
    await asAdmin(app).reactivateUser({ userId: user.id, reason: 'appeal' });
    expect(await logIn(app, user)).toBeTruthy();
  });
});
