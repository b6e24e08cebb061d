import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Outcome } from '../../../../gen/audit/v1/command_record_pb.js';
import { CommandService as AuditCommands, type ReplayCommandResponse } from '../../../../gen/audit/v1/command_service_pb.js';
import { QueryService as AuditQueries } from '../../../../gen/audit/v1/query_service_pb.js';
import { CommandService } from '../../../../gen/users/v1/command_service_pb.js';
import { commandIdOf } from '../../../support/command-id.ts';
import { addRecord, type RecordValues } from '../../../support/command-records.ts';
import { refusalOf } from '../../../support/errors.ts';
import { asAdmin, logIn, PASSWORD, signUp, somebody } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

const UNKNOWN = '01930000-0000-7000-8000-000000000000';

const replay = (commandId: string): Promise<ReplayCommandResponse> =>
  app.client(AuditCommands, { roles: ['auditor'] }).replayCommand({ commandId });

/** The differences by their aspects. */
const differing = ({ differences }: ReplayCommandResponse): Record<string, [string, string]> =>
  Object.fromEntries(differences.map(({ aspect, recorded, replayed }) => [aspect, [recorded, replayed]]));

type Headers = Parameters<Parameters<typeof commandIdOf>[0]>[0];

/** All rows that commands could change. */
async function everything(): Promise<unknown[]> {
  const tables = [
    'users."user"',
    'read.user_directory',
    'read.ended_session',
    'cqrs.event',
    'cqrs.idempotency_key',
    'cqrs.guess',
  ];
  return await Promise.all(tables.map((table) => app.database.query(`select * from ${table} order by 1`)));
}

describe('replayCommand', () => {
  it('ends as recorded when nothing that matters has changed', async () => {
    const taken = await signUp(app);
    const user = await signUp(app);
    const refused = [
      (onHeader: Headers) => app.client(CommandService).createUser({ ...somebody(), email: taken.email }, { onHeader }),
      (onHeader: Headers) => asAdmin(app).changeName({ userId: UNKNOWN, name: 'x' }, { onHeader }),
      (onHeader: Headers) => asAdmin(app).changeName({ userId: user.id, name: 'x', expectedVersion: 9n }, { onHeader }),
      (onHeader: Headers) =>
        app.client(CommandService, { roles: ['auditor'] }).suspendUser({ userId: user.id, reason: 'x' }, { onHeader }),
      (onHeader: Headers) => asAdmin(app).grantRole({ userId: user.id, role: '' }, { onHeader }),
      // Nothing to change is nothing to change again.
      (onHeader: Headers) => asAdmin(app).changeName({ userId: user.id, name: user.name }, { onHeader }),
    ];
    const ends = [];
    for (const call of refused) {
      const { same, differences, outcome, code, reason, events, state } = await replay(await commandIdOf(call));
      expect({ same, differences, events, state }).toEqual({ same: true, differences: [], events: [], state: undefined });
      ends.push(`${Outcome[outcome]} ${code} ${reason}`.trim());
    }
    expect(ends).toEqual([
      'REJECTED ALREADY_EXISTS EMAIL_TAKEN',
      'REJECTED NOT_FOUND USER_NOT_FOUND',
      'REJECTED ABORTED VERSION_MISMATCH',
      'DENIED PERMISSION_DENIED PERMISSION_MISSING',
      'INVALID INVALID_ARGUMENT INVALID_REQUEST',
      'SUCCEEDED OK',
    ]);
  });

  it('says what differs in a state that has moved on, with the recorded time and ids', async () => {
    const user = await signUp(app);
    const id = await commandIdOf((onHeader) => asAdmin(app).changeName({ userId: user.id, name: 'Ada' }, { onHeader }));
    await asAdmin(app).changeName({ userId: user.id, name: 'Grace' });
    await asAdmin(app).suspendUser({ userId: user.id, reason: 'a pause' });
    const { command, events } = await app.client(AuditQueries, { roles: ['auditor'] }).getCommand({ commandId: id });

    const replayed = await replay(id);
    expect(replayed.same).toBe(false);
    expect(differing(replayed)).toEqual({ version: ['1 → 2', '4 → 5'] });
    expect(replayed).toMatchObject({ outcome: Outcome.SUCCEEDED, code: 'OK', reason: '', standIns: [] });
    expect(replayed.events).toEqual([{ ...events[0], aggregateVersion: 5n }]);
    expect(replayed.state).toEqual({
      id: user.id,
      email: user.email,
      name: 'Ada',
      status: 'USER_STATUS_SUSPENDED',
      createdAt: expect.any(String),
      updatedAt:
        command?.receivedAt && new Date(Number(command.receivedAt.seconds) * 1000 + command.receivedAt.nanos / 1e6).toISOString(),
      version: '5',
      sessionEpoch: 2,
    });
  });

  it('names another outcome and another reason, and the events that are missing', async () => {
    const user = await signUp(app);
    const id = await commandIdOf((onHeader) => asAdmin(app).changeName({ userId: user.id, name: 'Ada' }, { onHeader }));
    await asAdmin(app).deleteUser({ userId: user.id });
    // What was erased in the record would hide in what it differs.
    const replayed = await replay(id);
    expect(differing(replayed)).toEqual({
      outcome: ['succeeded', 'rejected'],
      reason: ['', 'USER_DELETED'],
      version: ['1 → 2', '3 → unchanged'],
      events: [expect.stringMatching(/^users\.v1\.UserNameChanged \{\} /), ''],
    });
    expect(replayed.standIns).toEqual(['name']);
    expect(replayed.state).toBeUndefined();
  });

  it('names an event with another content, and another aggregate', async () => {
    const user = await signUp(app);
    const id = await commandIdOf((onHeader) => asAdmin(app).grantRole({ userId: user.id, role: 'auditor' }, { onHeader }));
    await asAdmin(app).revokeRole({ userId: user.id, role: 'auditor' });
    await app.database.query(
      `update cqrs.event set payload = convert_to(replace(convert_from(payload, 'UTF8'), 'auditor', 'autidor'), 'UTF8') where command_id = $1`,
      [id],
    );
    await app.database.query('update cqrs.command_log set aggregate_id = $2 where command_id = $1', [id, UNKNOWN]);
    const { aggregate, events } = differing(await replay(id));
    expect(aggregate).toEqual([`users.v1.User/${UNKNOWN}`, `users.v1.User/${user.id}`]);
    expect(events).toEqual([expect.stringContaining('{"role":"autidor"}'), expect.stringContaining('{"role":"auditor"}')]);
  });

  it('makes the same ids again', async () => {
    const values = somebody();
    const id = await commandIdOf((onHeader) => app.client(CommandService).createUser(values, { onHeader }));
    const { events: recorded } = await app.client(AuditQueries, { roles: ['auditor'] }).getCommand({ commandId: id });
    await app.database.query(`delete from users."user" where email = $1`, [values.email]);
    const replayed = await replay(id);
    expect(replayed).toMatchObject({ same: true, differences: [], standIns: ['password'] });
    expect(replayed.events).toEqual(recorded);
    expect(JSON.stringify(replayed.state)).not.toMatch(/hash|argon2/i);
  });

  it('stores nothing but its own record', async () => {
    const user = await signUp(app);
    const token = await logIn(app, user);
    const ids = [
      await commandIdOf((onHeader) => asAdmin(app).changeName({ userId: user.id, name: 'Ada' }, { onHeader })),
      await commandIdOf((onHeader) => app.client(CommandService).logIn({ email: user.email, password: 'wrong' }, { onHeader })),
      await commandIdOf((onHeader) =>
        app
          .client(CommandService, { token })
          .changePassword({ userId: user.id, currentPassword: PASSWORD, newPassword: 'eight blue lamps hum' }, { onHeader }),
      ),
      await commandIdOf((onHeader) =>
        asAdmin(app).deleteUser({ userId: user.id }, { headers: { 'cqrs-dry-run': 'true' }, onHeader }),
      ),
    ];
    const before = await everything();
    const [{ count } = { count: 0 }] = await app.database.query<{ count: number }>(
      'select count(*)::integer from cqrs.command_log',
    );
    for (const id of ids) await replay(id);
    expect(await everything()).toEqual(before);
    const records = await app.database.query(
      'select method, outcome, aggregate_id from cqrs.command_log order by position offset $1',
      [count],
    );
    expect(records).toEqual(
      ids.map(() => ({ method: 'audit.v1.CommandService/ReplayCommand', outcome: 'succeeded', aggregate_id: null })),
    );
  });

  describe('with a secret, which is on no record', () => {
    it('takes the recorded verdict on a password that was right', async () => {
      const user = await signUp(app);
      const id = await commandIdOf((onHeader) =>
        app.client(CommandService).logIn({ email: user.email, password: PASSWORD }, { onHeader }),
      );
      const replayed = await replay(id);
      expect(replayed).toMatchObject({ same: true, standIns: ['password'], outcome: Outcome.SUCCEEDED });
      expect(replayed.events).toMatchObject([{ type: 'users.v1.UserLoggedIn' }]);
      expect(JSON.stringify(replayed.state)).not.toContain('eyJ');

      await asAdmin(app).suspendUser({ userId: user.id, reason: 'a pause' });
      expect(differing(await replay(id))).toMatchObject({ outcome: ['succeeded', 'rejected'], reason: ['', 'USER_SUSPENDED'] });
    });

    it('takes the recorded verdict on a password that was refused', async () => {
      const user = await signUp(app);
      const self = app.client(CommandService, { token: await logIn(app, user) });
      const nobody = app.client(CommandService);
      const change = { userId: user.id, currentPassword: PASSWORD, newPassword: 'eight blue lamps hum' };
      const refused: [string, (onHeader: Headers) => Promise<unknown>][] = [
        ['CREDENTIALS_INVALID', (onHeader) => nobody.logIn({ email: user.email, password: 'wrong' }, { onHeader })],
        ['CURRENT_PASSWORD_WRONG', (onHeader) => self.changePassword({ ...change, currentPassword: 'wrong' }, { onHeader })],
        ['PASSWORD_COMMON', (onHeader) => self.changePassword({ ...change, newPassword: 'aaaaaaaaaaaaaaaaaaaa' }, { onHeader })],
        ['PASSWORD_PERSONAL', (onHeader) => nobody.createUser({ ...somebody(), name: 'seven green' }, { onHeader })],
        ['INVALID_REQUEST', (onHeader) => nobody.createUser({ ...somebody(), password: 'short' }, { onHeader })],
      ];
      for (const [reason, call] of refused) {
        expect(await replay(await commandIdOf(call))).toMatchObject({ same: true, reason });
      }
    });

    it('changes a password in the session that is on record', async () => {
      const user = await signUp(app);
      const token = await logIn(app, user);
      const id = await commandIdOf((onHeader) =>
        app
          .client(CommandService, { token })
          .changePassword({ userId: user.id, currentPassword: PASSWORD, newPassword: 'eight blue lamps hum' }, { onHeader }),
      );
      const replayed = await replay(id);
      expect(replayed.standIns).toEqual(['current_password', 'new_password']);
      expect(differing(replayed)).toEqual({ version: ['1 → 2', '2 → 3'] });
    });
  });

  it('says of a dry run what it would come to', async () => {
    const user = await signUp(app);
    const headers = { 'cqrs-dry-run': 'true' };
    const id = await commandIdOf((onHeader) => asAdmin(app).changeName({ userId: user.id, name: 'Ada' }, { headers, onHeader }));
    // What was personal in it is not kept: nothing came of it.
    expect(await replay(id)).toMatchObject({
      same: true,
      standIns: ['name'],
      events: [{ type: 'users.v1.UserNameChanged' }],
      state: { name: expect.stringMatching(/^stand-in /) },
    });
  });

  it('takes a request that only looks like an excerpt for what it is', async () => {
    const user = await signUp(app);
    const auditor = app.client(CommandService, { roles: ['auditor'] });
    const reason = 'paid by bank transfer… (4711 characters)';
    const id = await commandIdOf((onHeader) => auditor.suspendUser({ userId: user.id, reason }, { onHeader }));
    expect(await replay(id)).toMatchObject({ same: true, outcome: Outcome.DENIED });
  });

  it('refuses what is not on record', async () => {
    expect(await refusalOf(replay(UNKNOWN))).toMatchObject({ code: 'NotFound', reason: 'COMMAND_NOT_FOUND' });
  });

  it('needs audit.read', async () => {
    const stranger = app.client(AuditCommands, { roles: ['operator'] });
    expect(await refusalOf(stranger.replayCommand({ commandId: UNKNOWN }))).toMatchObject({ reason: 'PERMISSION_MISSING' });
  });

  it('refuses its own commands, and those that did not come as far', async () => {
    const user = await signUp(app);
    const idOf = (call: (onHeader: Headers) => Promise<unknown>): Promise<string> => commandIdOf(call);
    const done = await idOf((onHeader) => asAdmin(app).changeName({ userId: user.id, name: 'x' }, { onHeader }));
    const auditor = app.client(AuditCommands, { roles: ['auditor'] });
    const ofTheLog = await idOf((onHeader) => auditor.replayCommand({ commandId: done }, { onHeader }));
    const noToken = await idOf((onHeader) => app.client(CommandService).changeName({ userId: user.id, name: 'x' }, { onHeader }));
    const cut = await idOf((onHeader) => asAdmin(app).grantRole({ userId: 'x'.repeat(400), role: 'admin' }, { onHeader }));
    const request = { userId: user.id };
    const record = (values: RecordValues): Promise<string> => addRecord(app.database, { request, ...values });
    const causes: Record<string, string> = {
      [ofTheLog]: 'NO_AGGREGATE',
      [noToken]: 'REASON',
      [cut]: 'REQUEST_CUT',
      [await record({ outcome: 'timed_out', code: 'DEADLINE_EXCEEDED', reason: 'DEADLINE_PASSED' })]: 'OUTCOME',
      [await record({ outcome: 'rejected', code: 'ABORTED', reason: 'CONFLICT' })]: 'REASON',
      [await record({ outcome: 'replayed', answeredBy: done })]: 'OUTCOME',
      [await record({ request: null })]: 'REQUEST_MISSING',
      // From before records said whether they hold the whole request.
      [await record({ outcome: 'denied', request: { ...request, reason: 'x… (4711 characters)' } })]: 'REQUEST_CUT',
      [await record({ request: { user: 'somebody' } })]: 'REQUEST_OUTDATED',
      [await record({ method: 'users.v1.CommandService/Rename' })]: 'METHOD_UNKNOWN',
      [await record({ personalDigest: Buffer.alloc(32) })]: 'PERSONAL_ERASED',
    };
    for (const [id, cause] of Object.entries(causes)) {
      expect(await refusalOf(replay(id))).toMatchObject({
        code: 'FailedPrecondition',
        reason: 'COMMAND_NOT_REPLAYABLE',
        metadata: { cause },
      });
    }
  });
});
