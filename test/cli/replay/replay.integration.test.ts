import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CommandService as AuditCommands } from '#gen/audit/v1/command_service_pb.js';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { commandIdOf } from '../../support/command-id.ts';
import { run } from '../../support/command-line.ts';
import { createEmptyDatabase, type TestDatabase, urlOf } from '../../support/database.ts';
import { eventually } from '../../support/eventually.ts';
import { asAdmin, logIn, PASSWORD, signUp, somebody } from '../../support/people.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';

const NEW_PASSWORD = 'eight blue lamps hum';

/** Tables as a replay has to make them again: without password hashes, the clock and the numbers of transactions. */
const TABLES = [
  `select id, email, name, status, roles, created_at, updated_at, last_login_at, session_epoch, kept_session, version, writes
   from users."user" order by id`,
  'select * from read.user_directory order by id',
  'select user_id, epoch, kept_session from read.ended_session order by user_id',
  `select id, type, payload, personal, aggregate_type, aggregate_id, aggregate_version, command_id, occurred_at
   from cqrs.event order by command_id, position`,
  `select command_id, received_at, method, principal, roles, session, request::text, personal->>'fields' as personal, outcome, code, reason,
     dry_run, aggregate_type, aggregate_id, version_before, version_after, event_ids, peer, user_agent
   from cqrs.command_log
   where outcome <> 'replayed' and reason <> 'TOKEN_MISSING' and method like 'users.%' order by command_id`,
];

const rowsOf = ({ query }: TestDatabase): Promise<unknown[][]> => Promise.all(TABLES.map((text) => query(text)));

/** Every command of users, in every way in which it can end. Answers the id of a user who is left. */
async function story(app: TestApp): Promise<string> {
  const nobody = app.client(CommandService);
  const admin = asAdmin(app);
  const refused = (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => Promise.reject(new Error('not refused')),
      () => {},
    );

  const openSession = ({ email }: { email: string }) => nobody.logIn({ email, password: PASSWORD });

  const [ada, grace, alan] = [await signUp(app), await signUp(app), await signUp(app)];
  await refused(nobody.createUser({ ...somebody(), email: alan.email }));
  await refused(nobody.createUser({ ...somebody(), password: 'short' }));
  await refused(nobody.createUser({ ...somebody(), password: 'aaaaaaaaaaaaaaaaaaaa' }));
  await refused(nobody.createUser({ ...somebody(), email: 'no address' }));

  const token = await logIn(app, ada);
  const self = app.client(CommandService, { token });
  await refused(nobody.logIn({ email: ada.email, password: 'wrong' }));
  await refused(nobody.logIn({ email: 'nobody@example.org', password: 'wrong' }));
  await self.changeName({ userId: ada.id, name: 'Ada Lovelace' });
  await self.changeName({ userId: ada.id, name: 'Ada Lovelace' });
  await self.changeEmail({ userId: ada.id, email: 'ada.lovelace@example.org', expectedVersion: 2n });
  await refused(self.changeEmail({ userId: ada.id, email: grace.email }));
  await refused(self.changeName({ userId: ada.id, name: 'x', expectedVersion: 1n }));
  await refused(self.changePassword({ userId: ada.id, currentPassword: 'wrong', newPassword: NEW_PASSWORD }));
  await self.changePassword({ userId: ada.id, currentPassword: PASSWORD, newPassword: NEW_PASSWORD });
  await logIn(app, { email: 'ada.lovelace@example.org' }, NEW_PASSWORD);
  await refused(self.suspendUser({ userId: grace.id, reason: 'x' }));

  const graces = app.client(CommandService, { roles: [], id: grace.id });
  await refused(graces.deleteUser({ userId: grace.id }));
  await refused(graces.deleteUser({ userId: grace.id, currentPassword: 'wrong' }));
  await graces.changeEmail({ userId: grace.id, email: 'grace.hopper@example.org', currentPassword: PASSWORD });
  await graces.changeEmail({ userId: grace.id, email: grace.email, currentPassword: PASSWORD });
  const [one, two] = [await openSession(grace), await openSession(grace)];
  const { refreshToken } = await nobody.refreshSession({ refreshToken: one.refreshToken });
  await refused(nobody.refreshSession({ refreshToken: one.refreshToken }));
  await refused(nobody.refreshSession({ refreshToken }));
  await refused(nobody.refreshSession({ refreshToken: 'made up' }));
  await app.client(CommandService, { token: two.accessToken }).logOut({});
  const three = await openSession(grace);
  await admin.endSessions({ userId: grace.id });
  await refused(nobody.refreshSession({ refreshToken: three.refreshToken }));
  await refused(admin.logOut({}));
  await refused(admin.endSessions({ userId: grace.id, keepCurrent: true }));

  await admin.grantRole({ userId: grace.id, role: 'admin' });
  await refused(admin.revokeRole({ userId: grace.id, role: 'admin' }));
  await refused(admin.deleteUser({ userId: grace.id }));
  await admin.grantRole({ userId: ada.id, role: 'admin' });
  await admin.revokeRole({ userId: grace.id, role: 'admin' });
  await admin.suspendUser({ userId: grace.id, reason: 'a pause' });
  await refused(nobody.logIn({ email: grace.email, password: PASSWORD }));
  await admin.suspendUser({ userId: grace.id, reason: 'again' });
  await admin.reactivateUser({ userId: grace.id, reason: 'back' });
  await admin.suspendUser({ userId: ada.id, reason: 'tried' }, { headers: { 'cqrs-dry-run': 'true' } }).catch(() => {});
  await admin.changeName({ userId: grace.id, name: 'tried' }, { headers: { 'cqrs-dry-run': 'true' } });

  // Alan is erased: all that was his is known by its place alone.
  const alans = app.client(CommandService, { token: await logIn(app, alan) });
  await alans.changeEmail({ userId: alan.id, email: 'alan.turing@example.org' });
  await refused(alans.changeEmail({ userId: alan.id, email: grace.email }));
  await alans.changeName({ userId: alan.id, name: 'Alan Turing' });
  await logIn(app, { email: 'alan.turing@example.org' });
  await alans.deleteUser({ userId: alan.id });
  await refused(admin.changeName({ userId: alan.id, name: 'x' }));

  const headers = { 'idempotency-key': 'once' };
  await admin.changeName({ userId: grace.id, name: 'Grace Hopper' }, { headers });
  await admin.changeName({ userId: grace.id, name: 'Grace Hopper' }, { headers });
  await refused(nobody.changeName({ userId: grace.id, name: 'x' }));
  return grace.id;
}

describe('bicameral replay', () => {
  let app: TestApp;
  let target: TestDatabase;
  let userId: string;
  let records: number;
  const dropped: TestDatabase[] = [];
  beforeAll(async () => {
    app = await startTestApp();
    userId = await story(app);
    records = await sealed();
  });
  afterAll(async () => {
    await app.stop();
    for (const database of dropped) await database.drop();
  });
  beforeEach(async () => {
    target = await createEmptyDatabase();
    dropped.push(target);
  });

  /** How many records there are, once all of them have their place in the log. */
  async function sealed(): Promise<number> {
    let count = 0;
    await eventually(async () => {
      const [row] = await app.database.query<{ records: number; seals: number }>(
        'select (select count(*) from cqrs.command_log)::integer as records, (select count(*) from cqrs.command_seal)::integer as seals',
      );
      expect(row?.seals).toBe(row?.records);
      count = row?.records ?? 0;
    });
    return count;
  }

  const replay = (...options: string[]) =>
    run(['replay', '--into', urlOf(target.connections.owner), ...options], {
      GRPC_ADDRESS: `127.0.0.1:${app.app.grpcPort}`,
      AUTH_SIGNING_KEY_FILE: app.keyFile,
    });

  it('makes of the log the same users, events, read models and records', async () => {
    const { code, stdout, stderr } = await replay();
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['replayed', String(records - 2)],
      ['same', String(records - 2)],
      ['different', '0'],
      ['skipped: replayed, OUTCOME', '1'],
      ['skipped: unauthenticated, REASON', '1'],
      [''],
    ]);
    expect(code).toBe(0);
    expect(stderr).toContain(`… 100 %  ${records} of ${records} records\n`);
    const [before, after] = [await rowsOf(app.database), await rowsOf(target)];
    TABLES.forEach((_, index) => {
      expect(before[index]?.length).toBeGreaterThan(1);
      expect(after[index]).toEqual(before[index]);
    });
    // The log of the service stays as it was.
    expect(await sealed()).toBe(records);
  });

  it('leaves nobody a password', async () => {
    await replay();
    await target.query(`grant connect on database ${target.connections.owner.database} to bicameral_writer`);
    const copy = await startTestApp({ on: { ...target, drop: async () => {} } });
    try {
      const [{ email } = { email: '' }] = await target.query<{ email: string }>(`select email from users."user" where id = $1`, [
        userId,
      ]);
      await expect(logIn(copy, { email })).rejects.toThrow('the e-mail or the password is wrong');
    } finally {
      await copy.stop();
    }
  });

  it('replays a part of the log, by place or by time', async () => {
    const { stdout } = await replay('--to', '3', '--json');
    expect(JSON.parse(stdout)).toEqual({ replayed: 3, same: 3, different: 0, skipped: [], differences: [] });
    expect(await target.query('select from users."user"')).toHaveLength(3);
  });

  it('takes times from a first one on and before a last one', async () => {
    const [first, , third] = await app.database.query<{ received_at: Date }>(
      'select received_at from cqrs.command_seal order by sequence',
    );
    const times = ['--from', first?.received_at.toISOString() ?? '', '--to', third?.received_at.toISOString() ?? ''];
    const { stdout } = await replay(...times, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ replayed: 2, same: 2 });
  });

  it('shows what differs, and exits with 1', async () => {
    const id = await commandIdOf((onHeader) => asAdmin(app).grantRole({ userId, role: 'auditor' }, { onHeader }));
    const other = await commandIdOf((onHeader) =>
      asAdmin(app).changeName({ userId, name: 'x', expectedVersion: 99n }, { onHeader }),
    );
    const end = await sealed();
    await app.database.query(
      `update cqrs.event set payload = convert_to(replace(convert_from(payload, 'UTF8'), 'auditor', 'autidor'), 'UTF8') where command_id = $1`,
      [id],
    );
    // As by a rule that was another one.
    await app.database.query(
      `update cqrs.command_log set outcome = 'succeeded', code = 'OK', reason = '' where command_id = $1`,
      [other],
    );
    const { code, stdout } = await replay();
    expect(code).toBe(1);
    expect(stdout).toMatch(/^SEQUENCE +COMMAND +METHOD +ASPECT +RECORDED +REPLAYED$/m);
    expect(stdout).toMatch(
      new RegExp(`^${end - 1} +${id} +users.v1.CommandService/GrantRole +events +.*autidor.* +.*auditor`, 'm'),
    );
    expect(stdout).toMatch(
      new RegExp(`^${end} +${other} +users.v1.CommandService/ChangeName +outcome +succeeded +rejected$`, 'm'),
    );
    expect(stdout).toMatch(
      new RegExp(`^${end} +${other} +users.v1.CommandService/ChangeName +reason +- +VERSION_MISMATCH$`, 'm'),
    );
    expect(stdout).toMatch(/^different +2$/m);
  });

  it('skips the commands of the log itself', async () => {
    const id = await commandIdOf((onHeader) => asAdmin(app).grantRole({ userId, role: 'operator' }, { onHeader }));
    await app.client(AuditCommands, { roles: ['auditor'] }).replayCommand({ commandId: id });
    const end = await sealed();
    const { stdout } = await replay('--from', String(end), '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      replayed: 0,
      skipped: [{ outcome: 'succeeded', cause: 'NO_AGGREGATE', records: 1 }],
    });
  });

  it('refuses a database that is not empty, or not there', async () => {
    const into = async (url: string) => {
      const { code, stderr } = await run(['replay', '--into', url], {
        GRPC_ADDRESS: `127.0.0.1:${app.app.grpcPort}`,
        AUTH_SIGNING_KEY_FILE: app.keyFile,
      });
      return `${code} ${stderr.trim()}`;
    };
    const { owner } = app.database.connections;
    expect(await into(urlOf(owner))).toBe(
      '1 --into names a database that is not empty: cqrs.command_log has rows. Replay into a new one.',
    );
    expect(await into(urlOf({ ...owner, database: 'nowhere' }))).toBe(
      '1 --into names a database that cannot be used: database "nowhere" does not exist',
    );
    expect(await into('mysql://root:secret@db')).toBe('1 --into has to be a URL, e.g. postgresql://user@host:5432/database.');
  });
});
