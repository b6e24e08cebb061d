import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { refusalOf } from '../../../support/errors.ts';
import { asAdmin, logIn, signUp, somebody } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

describe('changeEmail', () => {
  it('moves a user to another address, by which they then log in', async () => {
    const user = await signUp(app);
    const { email } = somebody();
    await asAdmin(app).changeEmail({ userId: user.id, email });
    expect(await refusalOf(logIn(app, user))).toMatchObject({ reason: 'CREDENTIALS_INVALID' });
    expect(await logIn(app, { email })).toBeTruthy();
  });

  it('refuses an address that somebody else has, in any case', async () => {
    const [user, other] = [await signUp(app), await signUp(app)];
    const refusal = await refusalOf(asAdmin(app).changeEmail({ userId: user.id, email: other.email.toUpperCase() }));
    expect(refusal).toMatchObject({ code: 'AlreadyExists', reason: 'EMAIL_TAKEN' });
  });

  it("changes the case of a user's own address", async () => {
    const user = await signUp(app);
    const { user: changed } = await asAdmin(app).changeEmail({ userId: user.id, email: user.email.toUpperCase() });
    expect(changed).toMatchObject({ email: user.email.toUpperCase(), version: 2n });
  });

  it('gives the index the last word when two move to one address at the same time', async () => {
    const users = await Promise.all(Array.from({ length: 6 }, () => signUp(app)));
    const { email } = somebody();
    const outcomes = await Promise.allSettled(users.map(({ id }) => asAdmin(app).changeEmail({ userId: id, email })));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected')
        expect(await refusalOf(Promise.reject(outcome.reason))).toMatchObject({ reason: 'EMAIL_TAKEN' });
    }
  });
});
