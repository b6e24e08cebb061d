import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import pg from 'pg';
import { CommandService, type LogInResponse } from '#gen/users/v1/command_service_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { sweepSessions } from '../../../../src/modules/users/persistence/session-store.ts';
import { commandIdOf } from '../../../support/command-id.ts';
import { refusalOf } from '../../../support/errors.ts';
import { eventually } from '../../../support/eventually.ts';
import { recordOf } from '../../../support/logged-commands.ts';
import { asAdmin, PASSWORD, signUp } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

const nobody = () => app.client(CommandService);

async function someone() {
  const user = await signUp(app);
  return { user, session: await nobody().logIn({ email: user.email, password: PASSWORD }) };
}

const refresh = (refreshToken: string) => nobody().refreshSession({ refreshToken });
const invalid = (cause: string) => ({ code: 'Unauthenticated', reason: 'REFRESH_TOKEN_INVALID', metadata: { cause } });

const works = (token: string, userId: string): Promise<boolean> =>
  app
    .client(QueryService, { token })
    .getUser({ userId })
    .then(
      () => true,
      () => false,
    );

const idOf = ({ accessToken }: Pick<LogInResponse, 'accessToken'>): string => String(decodeJwt(accessToken).sid);

describe('refreshSession', () => {
  it('gives the next tokens of the session, with the roles of now and the time of the log-in', async () => {
    const { user, session } = await someone();
    await asAdmin(app).grantRole({ userId: user.id, role: 'auditor' });
    const next = await refresh(session.refreshToken);
    const [first, second] = [decodeJwt(session.accessToken), decodeJwt(next.accessToken)];
    expect(second).toMatchObject({ sub: user.id, sid: first.sid, auth_time: first.auth_time, roles: ['auditor'] });
    expect(second.jti).not.toBe(first.jti);
    expect(next.user?.roles).toEqual(['auditor']);
    expect(next.refreshToken).not.toBe(session.refreshToken);
    expect(await works(next.accessToken, user.id)).toBe(true);
    expect((await refresh((await refresh(next.refreshToken)).refreshToken)).user?.id).toBe(user.id);
  });

  it('ends the session when a token comes a second time: all that is held of it, on every instance', async () => {
    const { user, session } = await someone();
    const other = await nobody().logIn({ email: user.email, password: PASSWORD });
    const next = await refresh(session.refreshToken);
    expect(await refusalOf(refresh(session.refreshToken))).toMatchObject(invalid('REUSED'));
    expect(await refusalOf(refresh(next.refreshToken))).toMatchObject(invalid('UNKNOWN'));
    await eventually(async () => {
      expect(await works(session.accessToken, user.id)).toBe(false);
      expect(await works(next.accessToken, user.id)).toBe(false);
    });
    expect(await works(other.accessToken, user.id)).toBe(true);
    expect((await refresh(other.refreshToken)).user?.id).toBe(user.id);
  });

  it.each([1, 2, 3, 4, 5])(
    'lets one of many through that come at once with one token, and ends the session then (%i)',
    async () => {
      const { user, session } = await someone();
      const calls = Array.from({ length: 10 }, () => refresh(session.refreshToken));
      const ends = await Promise.allSettled(calls);
      const answered = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
      expect(answered.length).toBeLessThanOrEqual(1);
      for (const { accessToken, refreshToken } of answered) {
        expect(await refusalOf(refresh(refreshToken))).toMatchObject({ reason: 'REFRESH_TOKEN_INVALID' });
        await eventually(async () => expect(await works(accessToken, user.id)).toBe(false));
      }
    },
  );

  it('knows no token that was made up, also with the id of a session, and ends nothing by one', async () => {
    const { session } = await someone();
    const id = Buffer.from(idOf(session).replaceAll('-', ''), 'hex');
    const madeUp = [
      'x',
      randomBytes(80).toString('base64url'),
      Buffer.concat([id, randomBytes(64)]).toString('base64url'),
      `${session.refreshToken}A`,
      session.refreshToken.slice(0, -4),
    ];
    for (const token of madeUp) expect(await refusalOf(refresh(token))).toMatchObject(invalid('UNKNOWN'));
    expect((await refresh(session.refreshToken)).accessToken).not.toBe('');
  });

  it.each([
    ['a suspension', 'ENDED', (userId: string) => asAdmin(app).suspendUser({ userId, reason: 'a test' })],
    ['a deletion', 'ENDED', (userId: string) => asAdmin(app).deleteUser({ userId })],
    ['the end of all sessions', 'ENDED', (userId: string) => asAdmin(app).endSessions({ userId })],
  ])('ends with %s', async (_, cause, act) => {
    const { user, session } = await someone();
    await act(user.id);
    expect(await refusalOf(refresh(session.refreshToken))).toMatchObject(invalid(cause));
  });

  it('ends with the loss of a role, and stays ended when the user is suspended and comes back', async () => {
    const { user } = await someone();
    await asAdmin(app).grantRole({ userId: user.id, role: 'auditor' });
    const session = await nobody().logIn({ email: user.email, password: PASSWORD });
    await asAdmin(app).revokeRole({ userId: user.id, role: 'auditor' });
    await asAdmin(app).suspendUser({ userId: user.id, reason: 'a test' });
    await asAdmin(app).reactivateUser({ userId: user.id, reason: 'a test' });
    expect(await refusalOf(refresh(session.refreshToken))).toMatchObject(invalid('ENDED'));
  });

  it('outlives a change of password in its own session alone, and the next end of all', async () => {
    const { user, session } = await someone();
    const other = await nobody().logIn({ email: user.email, password: PASSWORD });
    const self = app.client(CommandService, { token: session.accessToken });
    await self.changePassword({ userId: user.id, currentPassword: PASSWORD, newPassword: 'eleven quiet rivers bend' });
    expect(await refusalOf(refresh(other.refreshToken))).toMatchObject(invalid('ENDED'));
    const next = await refresh(session.refreshToken);
    expect(await works(next.accessToken, user.id)).toBe(true);
    await asAdmin(app).endSessions({ userId: user.id });
    expect(await refusalOf(refresh(next.refreshToken))).toMatchObject(invalid('ENDED'));
    await eventually(async () => expect(await works(next.accessToken, user.id)).toBe(false));
  });

  it.each([
    ['unused for a week', 'used_at', 7 * 24],
    ['a month old, however often it was used', 'authenticated_at', 30 * 24],
  ])('ends when it is %s', async (_, column, hours) => {
    const { session } = await someone();
    const ago = (minutes: number) =>
      app.database.query(
        `update users.session set ${column} = now() - $1 * interval '1 hour' - $2 * interval '1 minute' where id = $3`,
        [hours, minutes, idOf(session)],
      );
    await ago(-1);
    const next = await refresh(session.refreshToken);
    await ago(1);
    expect(await refusalOf(refresh(next.refreshToken))).toMatchObject(invalid('EXPIRED'));
  });

  it('says when it ends, counted from the last use and from the log-in', async () => {
    const { session } = await someone();
    const hoursLeft = ({ refreshExpiresAt }: Pick<LogInResponse, 'refreshExpiresAt'>): number =>
      Math.round((Number(refreshExpiresAt?.seconds) * 1000 - Date.now()) / 3_600_000);
    expect(hoursLeft(session)).toBe(7 * 24);
    await app.database.query(`update users.session set authenticated_at = now() - interval '29 days' where id = $1`, [
      idOf(session),
    ]);
    expect(hoursLeft(await refresh(session.refreshToken))).toBe(24);
  });

  it('stores digests, and puts no token on record, in an event or in the log', async () => {
    const { session } = await someone();
    let next = session as Pick<LogInResponse, 'refreshToken'>;
    const id = await commandIdOf(async (onHeader) => {
      next = await nobody().refreshSession({ refreshToken: session.refreshToken }, { onHeader });
    });
    expect(await recordOf(app, id)).toMatchObject({ outcome: 'succeeded', request: { refreshToken: '[redacted]' } });
    const tables = ['users.session', 'cqrs.command_log', 'cqrs.event', 'cqrs.idempotency_key', 'read.closed_session'];
    const stored = await Promise.all(tables.map((table) => app.database.query(`select t::text from ${table} t`)));
    const text = `${JSON.stringify(stored)}${app.log()}`;
    for (const { refreshToken } of [session, next]) {
      const bytes = Buffer.from(refreshToken, 'base64url');
      for (const part of [refreshToken, bytes.toString('hex', 16, 48), bytes.toString('hex', 48), bytes.toString('base64', 48)]) {
        expect(text).not.toContain(part);
      }
    }
  });

  it('takes no idempotency key, because its answer is a secret', async () => {
    const { session } = await someone();
    const headers = { 'idempotency-key': 'one' };
    const call = nobody().refreshSession({ refreshToken: session.refreshToken }, { headers });
    expect(await refusalOf(call)).toMatchObject({ reason: 'IDEMPOTENCY_KEY_REFUSED' });
    expect((await refresh(session.refreshToken)).accessToken).not.toBe('');
  });
});

describe('logOut', () => {
  it('ends its session and no other, refresh token and all', async () => {
    const { user, session } = await someone();
    const other = await nobody().logIn({ email: user.email, password: PASSWORD });
    const before = await refresh(session.refreshToken);
    await app.client(CommandService, { token: before.accessToken }).logOut({});
    await eventually(async () => {
      expect(await works(session.accessToken, user.id)).toBe(false);
      expect(await works(before.accessToken, user.id)).toBe(false);
    });
    expect(await refusalOf(refresh(before.refreshToken))).toMatchObject(invalid('UNKNOWN'));
    expect(await works(other.accessToken, user.id)).toBe(true);
    expect((await refresh(other.refreshToken)).user?.version).toBe(1n);
    const events = await app.database.query<{ type: string }>(
      'select type from cqrs.event where aggregate_id = $1 order by position',
      [user.id],
    );
    expect(events.at(-1)?.type).toBe('users.v1.UserLoggedOut');
  });

  it('is known to an instance that starts afterwards', async () => {
    const { user, session } = await someone();
    await app.client(CommandService, { token: session.accessToken }).logOut({});
    const second = await startTestApp({ beside: app });
    try {
      const refusal = await refusalOf(second.client(QueryService, { token: session.accessToken }).getUser({ userId: user.id }));
      expect(refusal).toMatchObject({ reason: 'TOKEN_INVALID', metadata: { cause: 'REVOKED' } });
    } finally {
      await second.stop();
    }
  });

  it('is for those who have a session', async () => {
    expect(await refusalOf(nobody().logOut({}))).toMatchObject({ reason: 'TOKEN_MISSING' });
    expect(await refusalOf(asAdmin(app).logOut({}))).toMatchObject({ code: 'FailedPrecondition', reason: 'SESSION_UNKNOWN' });
  });
});

describe('endSessions', () => {
  it('ends all of them, or all but the caller’s own', async () => {
    const { user, session } = await someone();
    const other = await nobody().logIn({ email: user.email, password: PASSWORD });
    const self = app.client(CommandService, { token: session.accessToken });
    await self.endSessions({ userId: user.id.toUpperCase(), keepCurrent: true });
    await eventually(async () => expect(await works(other.accessToken, user.id)).toBe(false));
    expect(await refusalOf(refresh(other.refreshToken))).toMatchObject(invalid('ENDED'));
    expect(await works(session.accessToken, user.id)).toBe(true);
    const next = await refresh(session.refreshToken);

    const { user: answered } = await app.client(CommandService, { token: next.accessToken }).endSessions({ userId: user.id });
    expect(answered?.version).toBe(1n);
    await eventually(async () => expect(await works(next.accessToken, user.id)).toBe(false));
    expect(await refusalOf(refresh(next.refreshToken))).toMatchObject(invalid('ENDED'));
    expect((await nobody().logIn({ email: user.email, password: PASSWORD })).user?.id).toBe(user.id);
  });

  it('is for the user and for operators, who keep none', async () => {
    const { user, session } = await someone();
    const stranger = app.client(CommandService, { token: (await someone()).session.accessToken });
    expect(await refusalOf(stranger.endSessions({ userId: user.id }))).toMatchObject({ reason: 'PERMISSION_MISSING' });
    expect(await refusalOf(asAdmin(app).endSessions({ userId: user.id, keepCurrent: true }))).toMatchObject({
      reason: 'INVALID_REQUEST',
      fields: ['keep_current'],
    });
    await asAdmin(app).endSessions({ userId: user.id });
    await eventually(async () => expect(await works(session.accessToken, user.id)).toBe(false));
    const unknown = '01930000-0000-7000-8000-000000000000';
    expect(await refusalOf(asAdmin(app).endSessions({ userId: unknown }))).toMatchObject({ reason: 'USER_NOT_FOUND' });
  });
});

it('what nobody can go on with any more is removed, and nothing else', async () => {
  const [old, live, loggedOut] = [await someone(), await someone(), await someone()];
  await app.client(CommandService, { token: loggedOut.session.accessToken }).logOut({});
  await app.database.query(`update users.session set used_at = now() - interval '8 days' where id = $1`, [idOf(old.session)]);
  const pool = new pg.Pool({ ...app.database.connections.writer, max: 1 });
  pool.on('error', () => {});
  const week = 7 * 24 * 3_600_000;
  await sweepSessions(pool, { idleMs: week, rememberedMs: week });
  await pool.end();
  expect(await refusalOf(refresh(old.session.refreshToken))).toMatchObject(invalid('UNKNOWN'));
  expect((await refresh(live.session.refreshToken)).accessToken).not.toBe('');
  expect(
    await app.database.query('select from read.closed_session where session_id = $1', [idOf(loggedOut.session)]),
  ).toHaveLength(1);
});
