import { createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService } from '../../../gen/users/v1/command_service_pb.js';
import { UserStatus } from '../../../gen/users/v1/user_pb.js';
import { accessRule } from '../../../src/kernel/bus/access.ts';
import { inProcessTransport } from '../../../src/kernel/doors/in-process.ts';
import { refusalOf } from '../../support/errors.ts';
import { commandLog, recordOf } from '../../support/logged-commands.ts';
import { asAdmin, PASSWORD, signUp, somebody } from '../../support/people.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

const headers = { 'cqrs-dry-run': 'true' };

/** Everything that is stored but the log of commands, and what follows the events of earlier commands in the background. */
async function stored(): Promise<string> {
  const tables = await app.database.query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
     where schemaname in ('users', 'read', 'cqrs') and tablename not like 'command_%'
       and tablename not in ('feed', 'instance', 'processor', 'sequencer', 'user_count', 'user_day', 'user_status') order by 1`,
  );
  const contents = [];
  for (const { name } of tables) contents.push([name, await app.database.query(`select t::text from ${name} as t order by 1`)]);
  return JSON.stringify(contents);
}

describe('a dry run', () => {
  it.each([
    [
      'changeName',
      (userId: string, options: object) => asAdmin(app).changeName({ userId, name: 'Dry' }, options),
      { user: { name: 'Dry', version: 2n } },
    ],
    [
      'suspendUser',
      (userId: string, options: object) => asAdmin(app).suspendUser({ userId, reason: 'x' }, options),
      { user: { status: UserStatus.SUSPENDED } },
    ],
    [
      'grantRole',
      (userId: string, options: object) => asAdmin(app).grantRole({ userId, role: 'auditor' }, options),
      { user: { roles: ['auditor'] } },
    ],
    [
      'deleteUser',
      (userId: string, options: object) => asAdmin(app).deleteUser({ userId }, options),
      { user: { status: UserStatus.DELETED } },
    ],
  ])('of %s answers what it would have been, and stores nothing but its record', async (_, call, expected) => {
    const { id: userId } = await signUp(app);
    const before = await stored();
    let header = new Headers();
    const onHeader = (received: Headers): void => {
      header = received;
    };
    expect(await call(userId, { headers: { ...headers, 'idempotency-key': 'dry' }, onHeader })).toMatchObject(expected);
    expect(header.get('cqrs-dry-run')).toBe('true');
    expect(await stored()).toBe(before);
    const record = await recordOf(app, header.get('cqrs-command-id') ?? '');
    expect(record).toMatchObject({ outcome: 'succeeded', dry_run: true, aggregate_type: 'users.v1.User', event_ids: [] });
  });

  it('ends with the error that the command would end with', async () => {
    const [{ email }, { id: userId }] = [await signUp(app), await signUp(app)];
    const taken = asAdmin(app).changeEmail({ userId, email }, { headers });
    expect(await refusalOf(taken)).toMatchObject({ code: 'AlreadyExists', reason: 'EMAIL_TAKEN' });
    const [record] = await commandLog(app, `reason = 'EMAIL_TAKEN'`);
    expect(record).toMatchObject({ outcome: 'rejected', dry_run: true });
    const denied = app.client(CommandService).suspendUser({ userId: 'no id', reason: '' }, { headers });
    expect(await refusalOf(denied)).toMatchObject({ code: 'Unauthenticated' });
  });

  it('is refused by rpcs that anybody may call: it would tell strangers who has an account', async () => {
    const { email } = await signUp(app);
    const anonymous = [...app.app.bus.values()].filter(({ kind, method }) => kind === 'command' && accessRule(method)?.anonymous);
    expect(anonymous.length).toBeGreaterThan(0);
    for (const { method } of anonymous) {
      const calls = [email, somebody().email].map((address) =>
        createClient(method.parent as typeof CommandService, inProcessTransport(app.app.bus))[method.localName as 'createUser'](
          { email: address, name: 'Somebody', password: PASSWORD },
          { headers },
        ),
      );
      for (const call of calls) {
        expect(await refusalOf(call as Promise<unknown>)).toMatchObject({ code: 'InvalidArgument', reason: 'DRY_RUN_REFUSED' });
      }
    }
  });

  it('is asked for clearly, or nothing is done', async () => {
    const { id: userId } = await signUp(app);
    for (const value of ['yes', '1', 'TRUE', '']) {
      const call = asAdmin(app).changeName({ userId, name: 'Really?' }, { headers: { 'cqrs-dry-run': value } });
      expect(await refusalOf(call)).toMatchObject({ code: 'InvalidArgument', reason: 'DRY_RUN_INVALID' });
    }
    const wet = await asAdmin(app).changeName({ userId, name: 'Really' }, { headers: { 'cqrs-dry-run': 'false' } });
    expect(wet.user?.version).toBe(2n);
  });
});
