import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectError } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { Cancellation } from '../../src/kernel/bus/cancellation.ts';
import { Guesses } from '../../src/kernel/database/limits/guesses.ts';
import { createPool } from '../../src/kernel/database/pool.ts';
import { callFrom } from '../support/calls-from.ts';
import { refusalOf } from '../support/errors.ts';
import { asAdmin, logIn, PASSWORD, signUp, somebody } from '../support/people.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

const WRONG = 'not the right password';

let app: TestApp;
let beside: TestApp;
beforeAll(async () => {
  // Floods come from one address each.
  app = await startTestApp({ limits: { rates: new Map([['log-in', 'off']]) } });
  beside = await startTestApp({ beside: app });
});
afterAll(async () => {
  await beside.stop();
  await app.stop();
});

const guess = (email: string, on = app) => refusalOf(logIn(on, { email }, WRONG));

async function guessInARow(email: string, count: number): Promise<(string | undefined)[]> {
  const reasons: (string | undefined)[] = [];
  while (reasons.length < count) reasons.push((await guess(email)).reason);
  return reasons;
}

/** How long a refused caller is told to wait, in milliseconds. */
async function waitFor(email: string): Promise<number> {
  const error = await logIn(app, { email }, WRONG).catch((reason: ConnectError) => reason);
  const value = (error as ConnectError).details
    .map((detail) => ('desc' in detail ? (detail.value as { retryDelay?: { seconds: bigint; nanos: number } }) : {}))
    .find(({ retryDelay }) => retryDelay)?.retryDelay;
  return Number(value?.seconds) * 1000 + Number(value?.nanos) / 1e6;
}

/** Has the blocks begun so far end, as if their time had passed. The table knows nobody, so all of them. */
const passTime = () => app.database.query(`update cqrs.guess set blocked_until = now() where blocked_until > now()`);

describe('guesses at a password', () => {
  it('are free five times in a row; the sixth has the next one wait, right or wrong', async () => {
    const { email } = await signUp(app);
    expect(await guessInARow(email, 7)).toEqual([...Array(6).fill('CREDENTIALS_INVALID'), 'GUESSES_THROTTLED']);
    expect(await refusalOf(logIn(app, { email }))).toMatchObject({ code: 'ResourceExhausted', reason: 'GUESSES_THROTTLED' });
  });

  it('let the owner in after the delay, and begin again then', async () => {
    const { email } = await signUp(app);
    await guessInARow(email, 7);
    await sleep(1000);
    expect(await logIn(app, { email })).toBeTruthy();
    expect(await guessInARow(email, 5)).toEqual(Array(5).fill('CREDENTIALS_INVALID'));
    expect(await logIn(app, { email })).toBeTruthy();
  });

  it('wait twice as long each time, and 15 minutes at most', async () => {
    const { email } = somebody();
    await guessInARow(email, 6);
    const waits: number[] = [];
    for (let failure = 6; failure <= 18; failure++) {
      waits.push(Math.ceil((await waitFor(email)) / 1000));
      await passTime();
      await guess(email);
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
  });

  it('that come during a block do not lengthen it', async () => {
    const { email } = somebody();
    await guessInARow(email, 6);
    const first = await waitFor(email);
    await guessInARow(email, 10);
    expect(await waitFor(email)).toBeLessThan(first);
  });

  it('at an unknown account are answered like those at a known one', async () => {
    const [known, unknown] = [(await signUp(app)).email, somebody().email];
    for (let attempt = 0; attempt < 8; attempt++) expect(await guess(unknown)).toEqual(await guess(known));
  });

  it('made side by side, on two instances, let no more pass than guesses one after the other', async () => {
    const { email } = await signUp(app);
    const since = performance.now();
    const reasons = await Promise.all(
      Array.from({ length: 50 }, async (_, index) => (await guess(email, index % 2 ? app : beside)).reason),
    );
    // Six, and one more after each wait that was over meanwhile: of a second, two, four.
    const waits = Math.floor(Math.log2((performance.now() - since) / 1000 + 1));
    const passed = reasons.filter((reason) => reason === 'CREDENTIALS_INVALID').length;
    expect(passed).toBeGreaterThanOrEqual(6);
    expect(passed).toBeLessThanOrEqual(6 + waits);
    expect(reasons.filter((reason) => reason === 'GUESSES_THROTTLED')).toHaveLength(50 - passed);
  });

  it('at the current password of a session are counted too', async () => {
    const { id, email } = await signUp(app);
    const client = app.client(CommandService, { token: await logIn(app, { email }) });
    const change = (currentPassword: string) =>
      refusalOf(client.changePassword({ userId: id, currentPassword, newPassword: 'eight blue lamps hum' }));
    for (let attempt = 0; attempt < 6; attempt++) expect(await change(WRONG)).toMatchObject({ reason: 'CURRENT_PASSWORD_WRONG' });
    expect(await change(PASSWORD)).toMatchObject({ reason: 'GUESSES_THROTTLED' });
    expect(await logIn(app, { email })).toBeTruthy();
  });

  it('that were never looked at do not count', async () => {
    const { id, email } = await signUp(app);
    const client = app.client(CommandService, { token: await logIn(app, { email }) });
    for (let attempt = 0; attempt < 8; attempt++) {
      const personal = client.changePassword({ userId: id, currentPassword: WRONG, newPassword: email.repeat(2) });
      expect(await refusalOf(personal)).toMatchObject({ code: 'InvalidArgument' });
    }
    const wrong = client.changePassword({ userId: id, currentPassword: WRONG, newPassword: 'eight blue lamps hum' });
    expect(await refusalOf(wrong)).toMatchObject({ reason: 'CURRENT_PASSWORD_WRONG' });
  });

  it('leave no name in the table, and no row behind after a right one', async () => {
    const count = async () => (await app.database.query('select from cqrs.guess')).length;
    const before = await count();
    const { email } = await signUp(app);
    await guess(email);
    const rows = await app.database.query<{ row: string }>(
      'select guess::text as row from cqrs.guess union all select known_client::text from cqrs.known_client',
    );
    // One of the client, one of all strangers.
    expect(await count()).toBe(before + 2);
    expect(rows.some(({ row }) => row.includes(email))).toBe(false);
    await logIn(app, { email });
    expect(await count()).toBe(before);
  });
});

describe('right passwords', () => {
  it.each([1, 2])('get in when twenty log-ins come at once, on %i instances', async (instances) => {
    const { email } = await signUp(app);
    const apps = [app, beside].slice(0, instances);
    for (let round = 0; round < 3; round++) {
      const tokens = await Promise.all(Array.from({ length: 20 }, (_, n) => logIn(apps[n % instances] ?? app, { email })));
      expect(tokens.filter(Boolean)).toHaveLength(20);
    }
    expect(await guessInARow(email, 6)).toEqual(Array(6).fill('CREDENTIALS_INVALID'));
  });

  it('that come at once with wrong ones get in, or are told to come back', async () => {
    const { email } = await signUp(app);
    const right = async (): Promise<string | undefined> => {
      const call = logIn(app, { email });
      return await call.then(
        () => 'got in',
        async () => (await refusalOf(call)).reason,
      );
    };
    const reasons = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => (n === 0 ? await right() : (await guess(email)).reason)),
    );
    expect(['got in', 'GUESSES_THROTTLED']).toContain(reasons[0]);
    expect(reasons.slice(1).filter((reason) => reason === 'CREDENTIALS_INVALID').length).toBeLessThanOrEqual(12);
  });
});

describe('a stranger', () => {
  const LOG_IN = 'users.v1.CommandService/LogIn';
  const from = (address: string, email: string, password: string, headers = {}) =>
    callFrom(app, address, LOG_IN, { email, password }, headers);

  it('who guesses without end does not cost the owner the way in, known or not', async () => {
    const { email } = await signUp(app);
    let guesses = 0;
    let goOn = true;
    const stranger = async () => {
      while (goOn) {
        await from('127.0.0.66', email, WRONG);
        guesses += 1;
      }
    };
    const strangers = [stranger(), stranger()];
    for (let attempt = 0; attempt < 35; attempt++) {
      while (guesses < attempt * 5) await sleep(5);
      expect(await from('127.0.0.2', email, PASSWORD)).toMatchObject({ status: 200 });
    }
    goOn = false;
    await Promise.all(strangers);
    expect((await from('127.0.0.66', email, PASSWORD)).reason).toBe('GUESSES_THROTTLED');
  });

  it('on the same network does not cost it a device that is known', async () => {
    const { email } = await signUp(app);
    const device = String((await from('127.0.0.3', email, PASSWORD)).headers['cqrs-device']);
    for (let attempt = 0; attempt < 8; attempt++) await from('127.0.0.3', email, WRONG);
    expect((await from('127.0.0.3', email, PASSWORD)).reason).toBe('GUESSES_THROTTLED');
    expect(await from('127.0.0.3', email, PASSWORD, { 'cqrs-device': device })).toMatchObject({ status: 200 });
    // The token alone is worth nothing, and its guesses are counted, too.
    const reasons: unknown[] = [];
    while (reasons.length < 7) reasons.push((await from('127.0.0.3', email, WRONG, { 'cqrs-device': device })).reason);
    expect(reasons).toEqual([...Array(6).fill('CREDENTIALS_INVALID'), 'GUESSES_THROTTLED']);
  });

  it('who was wrong a hundred times in a row, from wherever, ends the password for strangers, and an operator unlocks it', async () => {
    const [{ id, email }, unknown] = [await signUp(app), somebody().email];
    await from('127.0.0.4', email, PASSWORD);
    const address = (n: number) => `127.0.1.${1 + Math.floor(n / 5)}`;
    const before = await from('127.0.0.4', email, PASSWORD);
    expect(before.status).toBe(200);
    for (const target of [email, unknown]) {
      const reasons = new Map<unknown, number>();
      for (let n = 0; n < 110; n++) {
        const { reason } = await from(address(n), target, WRONG);
        reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      }
      expect([...reasons]).toEqual([
        ['CREDENTIALS_INVALID', 100],
        ['GUESSES_EXHAUSTED', 10],
      ]);
    }
    expect(await from('127.0.2.1', email, PASSWORD)).toMatchObject({ reason: 'GUESSES_EXHAUSTED', status: 400 });
    const denied = app.client(CommandService, { roles: ['auditor'] }).unlockPassword({ userId: id, reason: 'please' });
    expect(await refusalOf(denied)).toMatchObject({ reason: 'PERMISSION_MISSING' });
    await asAdmin(app).unlockPassword({ userId: id, reason: 'called, and knew the name of the cat' });
    expect(await from('127.0.2.1', email, PASSWORD)).toMatchObject({ status: 200 });
    expect(await from(address(0), email, PASSWORD)).toMatchObject({ status: 200 });
  });

  it('who ended the password for strangers does not keep out who was right before, and that opens it again', async () => {
    const { email } = await signUp(app);
    await from('127.0.0.5', email, PASSWORD);
    for (let n = 0; n < 100; n++) await from(`127.0.3.${1 + Math.floor(n / 5)}`, email, WRONG);
    expect((await from('127.0.3.200', email, PASSWORD)).reason).toBe('GUESSES_EXHAUSTED');
    expect(await from('127.0.0.5', email, PASSWORD)).toMatchObject({ status: 200 });
    expect(await from('127.0.3.200', email, PASSWORD)).toMatchObject({ status: 200 });
  });

  it('with a hundred connections does not keep others out of the queue in which passwords are hashed', async () => {
    const { email } = await signUp(app);
    let goOn = true;
    let calls = 0;
    const flood = Array.from({ length: 100 }, async (_, n) => {
      while (goOn) {
        await from('127.0.0.77', `nobody-${n}-${calls}@example.org`, WRONG);
        calls += 1;
      }
    });
    while (calls < 100) await sleep(5);
    for (let attempt = 0; attempt < 10; attempt++) {
      expect(await from('127.0.0.6', email, PASSWORD)).toMatchObject({ status: 200 });
    }
    goOn = false;
    await Promise.all(flood);
  });
});

describe('a new password', () => {
  it('ends what was counted at the one before', async () => {
    const { id, email } = await signUp(app);
    const client = app.client(CommandService, { token: await logIn(app, { email }) });
    await guessInARow(email, 6);
    await client.changePassword({ userId: id, currentPassword: PASSWORD, newPassword: 'eight blue lamps hum' });
    expect(await guessInARow(email, 6)).toEqual(Array(6).fill('CREDENTIALS_INVALID'));
  });
});

describe('Guesses', () => {
  const count = (name: string, free = 5) => ({ target: Buffer.from(name), free });

  it('admits six of many that begin in the same moment, and holds the rest until one is known', async () => {
    const pool = createPool(app.database.connections.writer, { name: 'test', max: 20, readOnly: false });
    // All connections are open by then.
    await Promise.all(Array.from({ length: 20 }, () => pool.query('select pg_sleep(0.1)')));
    const guesses = new Guesses(pool);
    const begin = () => guesses.begin(count('a moment'), new Cancellation());
    const states = (await Promise.all(Array.from({ length: 60 }, begin))).map(({ state }) => state);
    expect(states.filter((state) => state === 'admitted')).toHaveLength(6);
    expect(states.filter((state) => state === 'held')).toHaveLength(54);
    await guesses.takeBack(count('a moment'));
    expect([(await begin()).state, (await begin()).state]).toEqual(['admitted', 'held']);
    for (let wrong = 0; wrong < 6; wrong++) await guesses.wrong(count('a moment'));
    const blocked = await begin();
    expect(blocked.state).toBe('blocked');
    expect(blocked.retryAfterMs).toBeGreaterThan(0);
    await pool.close();
  });

  it('keeps no row of guesses that were all taken back', async () => {
    const pool = createPool(app.database.connections.writer, { name: 'test', max: 1, readOnly: false });
    const guesses = new Guesses(pool);
    for (let n = 0; n < 3; n++) await guesses.begin(count('taken back'), new Cancellation());
    for (let n = 0; n < 3; n++) await guesses.takeBack(count('taken back'));
    expect(await app.database.query('select from cqrs.guess where target = $1', [Buffer.from('taken back')])).toEqual([]);
    await pool.close();
  });

  it('counts as wrong what an instance left behind that ended', async () => {
    const pool = createPool(app.database.connections.writer, { name: 'test', max: 1, readOnly: false });
    const guesses = new Guesses(pool);
    for (let n = 0; n < 6; n++) await guesses.begin(count('left'), new Cancellation());
    await pool.query(`update cqrs.guess set last_at = now() - interval '61 seconds' where target = 'left'`);
    expect((await guesses.begin(count('left'), new Cancellation())).state).toBe('admitted');
    expect((await guesses.begin(count('left'), new Cancellation())).state).toBe('held');
    await guesses.wrong(count('left'));
    expect((await guesses.begin(count('left'), new Cancellation())).state).toBe('blocked');
    await pool.close();
  });

  it('sweeps what is older than a day, more than a batch of it, and keeps what somebody has to end', async () => {
    const pool = createPool(app.database.connections.writer, { name: 'test', max: 1, readOnly: false });
    await app.database.query(`insert into cqrs.guess (target, failures, blocked_until, last_at)
      select 'old'::bytea || int4send(n), 1, '-infinity'::timestamptz, now() - interval '25 hours' from generate_series(1, 1200) n
      union all select 'many'::bytea, 11, '-infinity', now() - interval '25 hours'
      union all select 'young'::bytea, 1, '-infinity', now() - interval '23 hours'`);
    await app.database.query(`insert into cqrs.known_client (account, client, last_at)
      values ('old', 'a', now() - interval '91 days'), ('old', 'b', now() - interval '89 days')`);
    await new Guesses(pool).sweep();
    const left = await app.database.query<{ target: Buffer }>(
      `select target from cqrs.guess where last_at < now() - interval '1 hour' order by target`,
    );
    expect(left.map(({ target }) => target.toString())).toEqual(['many', 'young']);
    expect(await app.database.query(`select client from cqrs.known_client where account = 'old'`)).toHaveLength(1);
    await pool.close();
  });
});
