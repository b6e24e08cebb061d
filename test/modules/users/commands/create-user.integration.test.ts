import { fromBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService } from '../../../../gen/users/v1/command_service_pb.js';
import { UserCreatedSchema } from '../../../../gen/users/v1/events_pb.js';
import { UserStatus } from '../../../../gen/users/v1/user_pb.js';
import { refusalOf } from '../../../support/errors.ts';
import { PASSWORD, signUp, somebody } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

describe('createUser', () => {
  it('opens an active account at version 1', async () => {
    const user = await signUp(app, { email: 'Ada@Example.org', name: 'Ada' });
    expect(user).toMatchObject({ email: 'Ada@Example.org', name: 'Ada', status: UserStatus.ACTIVE, roles: [], version: 1n });
    expect(user.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });

  it('stores the event with the personal data apart, and both together are the whole', async () => {
    const user = await signUp(app, { name: 'Grace' });
    const [event] = await app.database.query<{ type: string; payload: Buffer; personal: Buffer; aggregate_version: number }>(
      'select type, payload, personal, aggregate_version from cqrs.event where aggregate_id = $1',
      [user.id],
    );
    expect(event).toMatchObject({ type: 'users.v1.UserCreated', aggregate_version: 1 });
    if (!event) return;
    expect(event.payload.toString()).not.toContain('Grace');
    const whole = fromBinary(UserCreatedSchema, Buffer.concat([event.payload, event.personal]));
    expect(whole).toMatchObject({ email: user.email, name: 'Grace' });
  });

  it('keeps the password as an argon2id hash and nowhere in the clear', async () => {
    const user = await signUp(app);
    const [row] = await app.database.query<{ hash: string }>('select password_hash as hash from users."user" where id = $1', [
      user.id,
    ]);
    expect(row?.hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(app.log()).not.toContain(PASSWORD);
  });

  it('refuses an e-mail that is taken in another case', async () => {
    const { email } = await signUp(app);
    const again = app.client(CommandService).createUser({ ...somebody(), email: email.toUpperCase() });
    expect(await refusalOf(again)).toMatchObject({ code: 'AlreadyExists', reason: 'EMAIL_TAKEN' });
  });

  it('lets one of twenty win who ask for one e-mail at the same time', async () => {
    const { email } = somebody();
    const attempts = Array.from({ length: 20 }, () => app.client(CommandService).createUser({ ...somebody(), email }));
    const outcomes = await Promise.allSettled(attempts);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const losers = await Promise.all(
      attempts.map((attempt) =>
        attempt.then(
          () => undefined,
          () => refusalOf(attempt),
        ),
      ),
    );
    expect(new Set(losers.filter(Boolean).map((refusal) => refusal?.reason))).toEqual(new Set(['EMAIL_TAKEN']));
  });

  it('names every bad field at once', async () => {
    const refusal = await refusalOf(app.client(CommandService).createUser({ email: 'nobody', name: '', password: 'short' }));
    expect(refusal).toMatchObject({
      code: 'InvalidArgument',
      reason: 'INVALID_REQUEST',
      fields: ['email', 'name', 'name', 'password'],
    });
  });

  it.each([
    ['a common password', 'passwordpassword', 'PASSWORD_COMMON'],
    ['one that holds the name', 'bartholomew likes tea', 'PASSWORD_PERSONAL'],
  ])('refuses %s', async (_, password, reason) => {
    const attempt = app.client(CommandService).createUser({ ...somebody(), name: 'Bartholomew', password });
    expect(await refusalOf(attempt)).toMatchObject({ code: 'InvalidArgument', reason, fields: ['password'] });
  });
});
