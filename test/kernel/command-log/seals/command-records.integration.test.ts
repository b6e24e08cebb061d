import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { CommandService } from '../../../../gen/users/v1/command_service_pb.js';
import { timeOf } from '../../../../src/kernel/bus/call.ts';
import { STORE_RECORDS } from '../../../../src/kernel/command-log/store-records.ts';
import { NamedStatementClient } from '../../../../src/kernel/database/named-statement-client.ts';
import { commandIdOf } from '../../../support/command-id.ts';
import { eventually } from '../../../support/eventually.ts';
import { commandLog, recordOf } from '../../../support/logged-commands.ts';
import { asAdmin, logIn, signUp, somebody } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

const UNKNOWN = '01930000-0000-7000-8000-000000000000';

describe('the record of a command that succeeded', () => {
  it('says who did what, when, from where, and what came of it', async () => {
    const user = await signUp(app);
    const traceId = 'ab'.repeat(16);
    const headers = { 'user-agent': 'a test', traceparent: `00-${traceId}-${'cd'.repeat(8)}-01` };
    const client = app.client(CommandService, { roles: ['admin', 'auditor'], id: 'ops-1' });
    const before = Date.now();
    const id = await commandIdOf((onHeader) => client.changeName({ userId: user.id, name: 'Grace' }, { headers, onHeader }));

    const record = await recordOf(app, id);
    const events = await app.database.query<{ id: string }>('select id from cqrs.event where command_id = $1', [id]);
    expect(record).toMatchObject({
      method: 'users.v1.CommandService/ChangeName',
      principal: 'ops-1',
      roles: ['admin', 'auditor'],
      request: { userId: user.id },
      personal: { fields: { name: 'Grace' } },
      outcome: 'succeeded',
      code: 'OK',
      reason: '',
      dry_run: false,
      answered_by: null,
      aggregate_type: 'users.v1.User',
      aggregate_id: user.id,
      version_before: 1,
      version_after: 2,
      event_ids: events.map((event) => event.id),
      attempts: 1,
      trace_id: traceId,
      user_agent: 'a test',
    });
    expect(events).toHaveLength(1);
    expect(record.received_at).toEqual(timeOf(id));
    expect(record.received_at.getTime()).toBeGreaterThanOrEqual(before);
    expect(record.duration_us).toBeGreaterThan(0);
  });

  it('holds no secret, and can prove what was personal in it', async () => {
    const values = somebody();
    const id = await commandIdOf((onHeader) => app.client(CommandService).createUser(values, { onHeader }));
    const record = await recordOf(app, id);
    expect(record.request).toEqual({ password: '[redacted]' });
    expect(record.personal).toMatchObject({ fields: { email: values.email, name: values.name } });
    const [stored] = await app.database.query<{ text: string; digest: Buffer }>(
      'select personal::text as text, personal_digest as digest from cqrs.command_log where command_id = $1',
      [id],
    );
    expect(stored?.digest).toEqual(
      createHash('sha256')
        .update(stored?.text ?? '')
        .digest(),
    );
  });

  it('costs no round trip of its own', async () => {
    const { id } = await signUp(app);
    const texts: string[] = [];
    NamedStatementClient.listener = (text, purpose) => {
      if (/^bicameral (commands|records)$/.test(purpose)) texts.push(text);
    };
    await asAdmin(app).changeName({ userId: id, name: 'Quiet' });
    NamedStatementClient.listener = undefined;
    expect(texts.map((text) => text.split(/\s/)[0])).toEqual(['begin', 'select', 'with', 'commit']);
  });

  it('is there when nothing had to be changed', async () => {
    const { id: userId } = await signUp(app);
    await asAdmin(app).suspendUser({ userId, reason: 'spam' });
    const id = await commandIdOf((onHeader) => asAdmin(app).suspendUser({ userId, reason: 'spam' }, { onHeader }));
    expect(await recordOf(app, id)).toMatchObject({
      outcome: 'succeeded',
      aggregate_id: userId,
      version_before: 2,
      version_after: null,
      event_ids: [],
    });
  });

  it('counts the attempts', async () => {
    const { id } = await signUp(app);
    await Promise.all(Array.from({ length: 8 }, (_, n) => asAdmin(app).changeName({ userId: id, name: `Name ${n}` })));
    const records = await commandLog(app, `aggregate_id = $1 and method like '%/ChangeName'`, [id]);
    expect(records.map(({ version_after }) => version_after)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    expect(Math.max(...records.map(({ attempts }) => attempts))).toBeGreaterThan(1);
  });
});

describe('the record of a command that did not succeed', () => {
  const asUser = async () => {
    const user = await signUp(app);
    return { user, client: app.client(CommandService, { token: await logIn(app, user) }) };
  };

  it.each([
    [
      'rejected',
      'NOT_FOUND',
      'USER_NOT_FOUND',
      () => (options: object) => asAdmin(app).changeName({ userId: UNKNOWN, name: 'x' }, options),
    ],
    [
      'denied',
      'PERMISSION_DENIED',
      'PERMISSION_MISSING',
      async () => {
        const { client } = await asUser();
        return (options: object) => client.suspendUser({ userId: UNKNOWN, reason: 'x' }, options);
      },
    ],
    [
      'unauthenticated',
      'UNAUTHENTICATED',
      'TOKEN_MISSING',
      () => (options: object) => app.client(CommandService).suspendUser({ userId: UNKNOWN, reason: 'x' }, options),
    ],
    [
      'unauthenticated',
      'UNAUTHENTICATED',
      'CREDENTIALS_INVALID',
      () => (options: object) => app.client(CommandService).logIn({ email: 'nobody@example.org', password: 'x' }, options),
    ],
    [
      'invalid',
      'INVALID_ARGUMENT',
      'INVALID_REQUEST',
      () => (options: object) => asAdmin(app).changeName({ userId: 'no id', name: '' }, options),
    ],
  ] as const)('says that it was %s (%s, %s)', async (outcome, code, reason, prepare) => {
    const call = await prepare();
    const id = await commandIdOf((onHeader) => call({ onHeader }));
    expect(await recordOf(app, id)).toMatchObject({ outcome, code, reason, event_ids: [], version_after: null });
  });

  it('names the aggregate that stood in the way, at its version', async () => {
    const { id: userId } = await signUp(app);
    const id = await commandIdOf((onHeader) => asAdmin(app).changeName({ userId, name: 'x', expectedVersion: 7n }, { onHeader }));
    expect(await recordOf(app, id)).toMatchObject({
      outcome: 'rejected',
      code: 'ABORTED',
      reason: 'VERSION_MISMATCH',
      aggregate_id: userId,
      version_before: 1,
      version_after: null,
    });
  });

  it('says that its deadline passed, once its work has ended', async () => {
    const { id: userId } = await signUp(app);
    const other = new pg.Client(app.database.connections.owner);
    await other.connect();
    try {
      await other.query('begin');
      await other.query('select from users."user" where id = $1 for update', [userId]);
      const id = await commandIdOf((onHeader) => asAdmin(app).changeName({ userId, name: 'late' }, { timeoutMs: 200, onHeader }));
      await eventually(async () =>
        expect(await recordOf(app, id)).toMatchObject({
          outcome: 'timed_out',
          code: 'DEADLINE_EXCEEDED',
          reason: 'DEADLINE_PASSED',
          aggregate_id: userId,
          version_after: null,
        }),
      );
    } finally {
      await other.end();
    }
  });

  it('has an excerpt of a request that is too large to keep', async () => {
    const id = await commandIdOf((onHeader) =>
      asAdmin(app).changeName({ userId: 'x'.repeat(2_000_000), name: '\0' }, { onHeader }),
    );
    const record = await recordOf(app, id);
    expect(record.request).toEqual({ userId: `${'x'.repeat(300)}… (2000000 characters)` });
    // What is personal in an invalid request has no owner, and is not kept.
    expect(record.personal).toBeNull();
  });

  it('is stored with others: a flood of refusals is no flood of transactions', async () => {
    let transactions = 0;
    NamedStatementClient.listener = (text) => {
      if (text === STORE_RECORDS) transactions += 1;
    };
    // As many at once as an instance takes.
    for (let wave = 0; wave < 10; wave += 1) {
      const refused = Array.from({ length: 100 }, (_, n) =>
        app
          .client(CommandService)
          .changeName({ userId: 'flood', name: `${n}` })
          .catch(() => undefined),
      );
      await Promise.all(refused);
    }
    NamedStatementClient.listener = undefined;
    const [{ count } = { count: 0 }] = await app.database.query<{ count: number }>(
      `select count(*)::integer as count from cqrs.command_log where request->>'userId' = 'flood'`,
    );
    expect(count).toBe(1_000);
    expect(transactions).toBeLessThan(100);
  });
});
