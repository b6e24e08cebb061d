import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService } from '../../../../gen/users/v1/command_service_pb.js';
import { UserStatus } from '../../../../gen/users/v1/user_pb.js';
import { refusalOf } from '../../../support/errors.ts';
import { commandLog } from '../../../support/logged-commands.ts';
import { asAdmin, logIn, PASSWORD, signUp, somebody } from '../../../support/people.ts';
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

  it('erases what the person tried in vain, also before they were known and under an address that they gave up', async () => {
    const canary = `Xochipilli-${process.pid}`;
    const [old, email] = [`${canary}-old@example.org`, `${canary}@example.org`];
    const anonymous = app.client(CommandService);
    const wrong = { password: 'not the right password' };
    // Before the account is there, and while it is: log-ins in vain, a sign-up that is taken, one with a password that will not do.
    await refusalOf(anonymous.logIn({ email: old, ...wrong }));
    const user = await signUp(app, { email: old, name: canary });
    await refusalOf(anonymous.logIn({ email: old.toUpperCase(), ...wrong }));
    await refusalOf(anonymous.createUser({ ...somebody(), email: old, name: `${canary} again` }));
    await refusalOf(anonymous.createUser({ email, name: canary, password: 'aaaaaaaaaaaaaaaaaaaa' }));
    await refusalOf(anonymous.createUser({ email, name: `${canary}\nagain`, password: PASSWORD }));
    await refusalOf(anonymous.changeName({ userId: user.id, name: canary }));
    await refusalOf(asAdmin(app).changeName({ userId: user.id, name: canary, expectedVersion: 9n }));
    const other = await signUp(app);
    await refusalOf(asAdmin(app).changeEmail({ userId: other.id, email: old }));
    await asAdmin(app).changeName({ userId: user.id, name: `${canary} dry` }, { headers: { 'cqrs-dry-run': 'true' } });
    await asAdmin(app).changeEmail({ userId: user.id, email });
    await refusalOf(anonymous.logIn({ email, ...wrong }));
    // Somebody else has the old address by now, and what is recorded of them stays.
    const heir = await signUp(app, { email: old });
    await refusalOf(anonymous.logIn({ email: old, ...wrong }));

    const kept = () => commandLog(app, `personal::text ilike $1`, [`%${canary}%`]);
    expect((await kept()).length).toBeGreaterThan(5);
    await asAdmin(app).deleteUser({ userId: user.id });
    expect((await kept()).map(({ reason, aggregate_id }) => [reason, aggregate_id])).toEqual([
      ['', heir.id],
      ['CREDENTIALS_INVALID', null],
    ]);
    await asAdmin(app).deleteUser({ userId: heir.id });
    expect((await kept()).map(({ reason }) => reason)).toEqual([]);
    const [owners] = await app.database.query<{ count: number }>('select count(*)::integer as count from cqrs.personal_owner');
    expect(owners?.count).toBe(0);
  });

  it('erases the answers that are kept for keys, also of commands that changed nothing', async () => {
    const canary = `Tezcatlipoca-${process.pid}`;
    const { id: userId } = await signUp(app, { name: canary });
    const headers = { 'idempotency-key': 'nothing-to-do' };
    await asAdmin(app).reactivateUser({ userId, reason: 'is active' }, { headers });
    await asAdmin(app).deleteUser({ userId });
    const hex = Buffer.from(canary).toString('hex');
    expect(
      await app.database.query(`select from cqrs.idempotency_key where encode(response, 'hex') like $1`, [`%${hex}%`]),
    ).toEqual([]);
    expect(await refusalOf(asAdmin(app).reactivateUser({ userId, reason: 'is active' }, { headers }))).toMatchObject({
      reason: 'ANSWER_ERASED',
    });
  });

  it('forgets who was known there, and what was guessed', async () => {
    const { id: userId, email } = await signUp(app);
    const count = async () => {
      const [row] = await app.database.query<{ count: number }>(
        'select (select count(*) from cqrs.guess)::integer + (select count(*) from cqrs.known_client)::integer as count',
      );
      return row?.count;
    };
    const before = await count();
    await logIn(app, { email });
    await refusalOf(logIn(app, { email }, 'not the right password'));
    expect(await count()).not.toBe(before);
    await asAdmin(app).deleteUser({ userId });
    expect(await count()).toBe(before);
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
