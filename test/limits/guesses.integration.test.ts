import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectError } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { Cancellation } from '../../src/cqrs/cancellation.ts';
import { Guesses } from '../../src/postgres/guesses.ts';
import { createPool } from '../../src/postgres/pool.ts';
import { refusalOf } from '../support/errors.ts';
import { logIn, PASSWORD, signUp, somebody } from '../support/people.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

const WRONG = 'not the right password';

let app: TestApp;
let beside: TestApp;
beforeAll(async () => {
  app = await startTestApp();
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
  it('are free five times in a row; the sixth has the next one wait, whoever makes it', async () => {
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
    const reasons = await Promise.all(
      Array.from({ length: 50 }, async (_, index) => (await guess(email, index % 2 ? app : beside)).reason),
    );
    expect(reasons.filter((reason) => reason === 'CREDENTIALS_INVALID')).toHaveLength(6);
    expect(reasons.filter((reason) => reason === 'GUESSES_THROTTLED')).toHaveLength(44);
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
    const rows = await app.database.query<{ row: string }>('select guess::text as row from cqrs.guess');
    expect(rows).toHaveLength(before + 1);
    expect(rows.some(({ row }) => row.includes(email))).toBe(false);
    await logIn(app, { email });
    expect(await count()).toBe(before);
  });
});

describe('Guesses', () => {
  it('admits six of many that begin in the same moment', async () => {
    const pool = createPool(app.database.connections.writer, { name: 'test', max: 20, readOnly: false });
    // All connections are open by then.
    await Promise.all(Array.from({ length: 20 }, () => pool.query('select pg_sleep(0.1)')));
    const guesses = new Guesses(pool);
    const attempts = await Promise.all(
      Array.from({ length: 60 }, () => guesses.begin(Buffer.from('a moment'), new Cancellation())),
    );
    expect(attempts.filter(({ admitted }) => admitted)).toHaveLength(6);
    for (const attempt of attempts) if (!attempt.admitted) expect(attempt.retryAfterMs).toBeGreaterThan(0);
    await pool.close();
  });

  it('takes back the block that an attempt began, and no other', async () => {
    const pool = createPool(app.database.connections.writer, { name: 'test', max: 1, readOnly: false });
    const guesses = new Guesses(pool);
    const target = Buffer.from('a target');
    const begin = async () => {
      const attempt = await guesses.begin(target, new Cancellation());
      return attempt.admitted ? attempt.blockedUntil : 'refused';
    };
    const [first = ''] = [await begin()];
    for (let attempt = 2; attempt <= 5; attempt++) await begin();
    const sixth = await begin();
    expect(await begin()).toBe('refused');
    await guesses.takeBack(target, first);
    expect(await begin()).toBe('refused');
    await guesses.takeBack(target, sixth);
    expect(await begin()).toBe('-infinity');
    for (let attempt = 1; attempt <= 5; attempt++) await guesses.takeBack(target, '-infinity');
    expect(await app.database.query('select from cqrs.guess where target = $1', [target])).toEqual([]);
    await pool.close();
  });

  it('sweeps what is older than a day, more than a batch of it', async () => {
    const pool = createPool(app.database.connections.writer, { name: 'test', max: 1, readOnly: false });
    await app.database.query(`insert into cqrs.guess (target, failures, blocked_until, last_at)
      select 'old'::bytea || int4send(n), 1, '-infinity'::timestamptz, now() - interval '25 hours' from generate_series(1, 1200) n
      union all select 'young'::bytea, 1, '-infinity', now() - interval '23 hours'`);
    await new Guesses(pool).sweep();
    const left = await app.database.query<{ target: Buffer }>(
      `select target from cqrs.guess where last_at < now() - interval '1 hour'`,
    );
    expect(left.map(({ target }) => target.toString())).toEqual(['young']);
    await pool.close();
  });
});
