import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { UserStatus } from '../../../../gen/users/v1/user_pb.js';
import { refusalOf } from '../../../support/errors.ts';
import { asAdmin, signUp } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

describe('deleteUser', () => {
  it('erases what is personal everywhere and keeps the fact', async () => {
    const canary = `Quetzalcoatl-${process.pid}`;
    const user = await signUp(app, { name: canary, email: `${canary}@example.org` });
    await asAdmin(app).changeName({ userId: user.id, name: `${canary} II` });
    await asAdmin(app).suspendUser({ userId: user.id, reason: `because of ${canary}` });
    const { user: deleted } = await asAdmin(app).deleteUser({ userId: user.id });
    expect(deleted).toMatchObject({ id: user.id, email: '', name: '', status: UserStatus.DELETED, version: 4n });

    const tables = await app.database.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname in ('users', 'read', 'cqrs')`,
    );
    expect(tables.length).toBeGreaterThan(3);
    for (const { name } of tables) {
      const found = await app.database.query(`select from ${name} as t where t::text ilike $1 or t::text ilike $2`, [
        `%${canary}%`,
        `%${Buffer.from(canary).toString('hex')}%`,
      ]);
      expect([name, found.length]).toEqual([name, 0]);
    }
    const events = await app.database.query<{ type: string }>(
      'select type from cqrs.event where aggregate_id = $1 order by position',
      [user.id],
    );
    expect(events.map(({ type }) => type.replace('users.v1.', ''))).toEqual([
      'UserCreated',
      'UserNameChanged',
      'UserSuspended',
      'UserDeleted',
    ]);
  });

  it('frees the e-mail for somebody else', async () => {
    const { id, email } = await signUp(app);
    await asAdmin(app).deleteUser({ userId: id });
    expect((await signUp(app, { email })).id).not.toBe(id);
  });

  it('is final', async () => {
    const { id } = await signUp(app);
    await asAdmin(app).deleteUser({ userId: id });
    for (const attempt of [
      () => asAdmin(app).deleteUser({ userId: id }),
      () => asAdmin(app).changeName({ userId: id, name: 'Back' }),
      () => asAdmin(app).reactivateUser({ userId: id, reason: 'please' }),
    ]) {
      expect(await refusalOf(attempt())).toMatchObject({ code: 'FailedPrecondition', reason: 'USER_DELETED' });
    }
  });
});
