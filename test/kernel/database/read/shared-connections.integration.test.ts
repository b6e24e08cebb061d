import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CompiledQuery } from 'kysely';
import type pg from 'pg';
import { Cancellation } from '../../../../src/kernel/bus/cancellation.ts';
import { CallCanceled } from '../../../../src/kernel/bus/errors.ts';
import { type ConnectionPool, createPool } from '../../../../src/kernel/database/pool.ts';
import { askPosition, type LogPosition, parseLsn } from '../../../../src/kernel/database/read/log-position.ts';
import { Reader } from '../../../../src/kernel/database/read/reader.ts';
import { SharedConnections } from '../../../../src/kernel/database/read/shared-connections.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';
import { FOREVER } from '../../../support/patience.ts';

let database: TestDatabase;
let pool: ConnectionPool;
let apart: ConnectionPool;
let shared: SharedConnections;
/** How often the database was asked where it is. */
let asked = 0;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool(database.connections.reader, { name: 'sharing', max: 2, readOnly: true, pipeline: true });
  apart = createPool(database.connections.reader, { name: 'apart', max: 4, readOnly: true });
  const locate = async (client: pg.ClientBase): Promise<LogPosition | undefined> => {
    asked += 1;
    return await askPosition(client, '0');
  };
  shared = new SharedConnections({ pool, size: 2, apart, locate });
});
afterAll(async () => {
  shared.release();
  await Promise.all([pool.close(), apart.close()]);
  await database.drop();
});

const number = (value: number, cancellation = new Cancellation()): Promise<unknown[]> =>
  shared.rows({ text: 'select $1::integer as number', values: [value] }, cancellation);
/** Each name is another statement. */
const sleep = (seconds: number, name: string, cancellation = new Cancellation()): Promise<unknown[]> =>
  shared.rows({ text: `select pg_sleep($1) as "${name}"`, values: [seconds] }, cancellation);
const writtenLsn = async (): Promise<bigint> => {
  const [row] = await database.query<{ lsn: string }>('select pg_current_wal_flush_lsn() as lsn');
  return parseLsn(row?.lsn ?? '');
};
const connections = async (purpose = 'sharing'): Promise<number[]> => {
  const rows = await database.query<{ pid: number }>(
    'select pid from pg_stat_activity where datname = current_database() and application_name = $1',
    [`bicameral ${purpose}`],
  );
  return rows.map(({ pid }) => pid);
};
/** What the connections are for on which this runs now. */
const runningOn = async (text: string): Promise<string[]> => {
  const rows = await database.query<{ application_name: string }>(
    `select application_name from pg_stat_activity where datname = current_database() and state = 'active' and query like $1`,
    [`${text}%`],
  );
  return rows.map(({ application_name }) => application_name.replace('bicameral ', ''));
};

describe('shared connections', () => {
  it('tell where the database is behind what was read, asked once for all that goes out together, and not where nobody wants it', async () => {
    await number(0);
    expect(asked).toBe(0);
    const positions: (LogPosition | undefined)[] = [];
    const taker = { take: (position: LogPosition | undefined) => positions.push(position) };
    const cancellation = new Cancellation();
    const before = await writtenLsn();
    const locate = (value: number) =>
      shared.rows({ text: 'select $1::integer as number', values: [value] }, cancellation, taker).then(() => positions.length);
    await Promise.all(Array.from({ length: 100 }, (_, n) => locate(n)));
    expect(positions).toHaveLength(100);
    expect(asked).toBeLessThanOrEqual(2);
    for (const position of positions) expect(position?.lsn).toBeGreaterThanOrEqual(before);
    expect(new Set(positions.map((position) => position?.timeline))).toEqual(new Set([1]));
  });

  it('answer each statement with its own rows, a thousand at once on two connections', async () => {
    const answers = await Promise.all(Array.from({ length: 1_000 }, (_, n) => number(n)));
    expect(answers).toEqual(Array.from({ length: 1_000 }, (_, n) => [{ number: n }]));
    expect(await connections()).toHaveLength(2);
  });

  it('send eight statements on one before they send others on the next', async () => {
    // Both are open, and idle.
    await Promise.all(Array.from({ length: 16 }, (_, n) => number(n)));
    const served = await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        shared.rows<{ pid: number }>({ text: 'select pg_backend_pid() as pid, $1::integer', values: [n] }, new Cancellation()),
      ),
    );
    const pids = served.map(([row]) => row?.pid);
    expect(new Set(pids.slice(0, 8)).size).toBe(1);
    expect(new Set(pids.slice(8)).size).toBe(1);
    expect(pids[8]).not.toBe(pids[0]);
  });

  it('let a statement fail alone', async () => {
    const failing = shared.rows({ text: 'select 1 / $1::integer', values: [0] }, new Cancellation());
    const others = Array.from({ length: 20 }, (_, n) => number(n));
    await expect(failing).rejects.toMatchObject({ code: '22012' });
    expect(await Promise.all(others)).toHaveLength(20);
  });

  it('stop the statement of a call that is canceled, and no other', async () => {
    const canceled = Array.from({ length: 2 }, () => new Cancellation());
    const slow = Promise.all(
      canceled.map((cancellation) => sleep(FOREVER / 1000, 'canceled', cancellation).catch((error: unknown) => error)),
    );
    const behind = Array.from({ length: 20 }, (_, n) => number(n));
    await eventually(async () => {
      const running = await database.query(
        `select from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'`,
      );
      expect(running.length).toBeGreaterThanOrEqual(2);
    });
    for (const cancellation of canceled) cancellation.cancel(new CallCanceled());
    for (const error of await slow) expect(error).toBeInstanceOf(CallCanceled);
    expect(await Promise.all(behind)).toEqual(Array.from({ length: 20 }, (_, n) => [{ number: n }]));
  });

  it('send a statement that holds up others on a connection of its own, where it says where the database is', async () => {
    const text = `select pg_sleep($1) as "long"`;
    const cancellation = new Cancellation();
    let isTold = false;
    const taker = { take: () => (isTold = true) };
    const endless = Array.from({ length: 2 }, () => shared.rows({ text, values: [FOREVER / 1000] }, cancellation, taker));
    const settled = Promise.allSettled(endless);
    const behind = Array.from({ length: 20 }, (_, n) => number(n));
    expect(await Promise.all(behind)).toEqual(Array.from({ length: 20 }, (_, n) => [{ number: n }]));
    await eventually(async () => {
      // One of them may be alone on its connection by now, where it holds up nobody until another one comes.
      await Promise.all([number(1), number(2), number(3), number(4)]);
      expect(await runningOn(text)).toEqual(['apart', 'apart']);
    });
    cancellation.cancel(new CallCanceled());
    for (const { status } of await settled) expect(status).toBe('rejected');
    expect(isTold).toBe(false);

    const ended = shared.rows({ text, values: [0] }, new Cancellation(), taker);
    expect(await ended).toHaveLength(1);
    expect(isTold).toBe(true);
  });

  it('have pages of up to 256 rows, and no larger ones', async () => {
    const locate = async (): Promise<undefined> => undefined;
    const read = new Reader({ name: 'primary', pool: apart, shared, locate }, new Cancellation());
    const statement = CompiledQuery.raw(`select current_setting('application_name') as name from generate_series(1, $1)`);
    for (const [size, name] of [
      [256, 'bicameral sharing'],
      [257, 'bicameral apart'],
    ] as const) {
      const rows = (await read.page(statement, size, [size])) as { name: string }[];
      expect(rows).toEqual(Array.from({ length: size }, () => ({ name })));
    }
  });

  it('stop a canceled statement when its turn has come', async () => {
    const first = [sleep(0.3, 'first'), sleep(0.3, 'first')];
    const canceled = Array.from({ length: 2 }, () => new Cancellation());
    const second = canceled.map((cancellation) => sleep(FOREVER / 1000, 'second', cancellation));
    const settled = Promise.allSettled(second);
    for (const cancellation of canceled) cancellation.cancel(new CallCanceled());
    await Promise.all(first);
    for (const { status } of await settled) expect(status).toBe('rejected');
    expect(await number(1)).toEqual([{ number: 1 }]);
  });

  it('are opened again after they were lost, and what was under way is sent again, once', async () => {
    const running = async (): Promise<number[]> => {
      const rows = await database.query<{ pid: number }>(
        `select pid from pg_stat_activity where query like 'select pg_sleep%' and state = 'active' and datname = current_database()`,
      );
      return rows.map(({ pid }) => pid);
    };
    const cut = async (): Promise<void> => {
      await eventually(async () => expect(await running()).toHaveLength(2));
      for (const pid of await running()) await database.query('select pg_terminate_backend($1, 2000)', [pid]);
    };
    const once = [sleep(2, 'once'), sleep(2, 'once')];
    await cut();
    expect(await Promise.all(once)).toHaveLength(2);

    const twice = [sleep(20, 'twice'), sleep(20, 'twice')].map((one) => one.catch((error: unknown) => error));
    await cut();
    await cut();
    for (const error of await Promise.all(twice)) expect(error).toBeInstanceOf(Error);
    expect(await Promise.all([number(1), number(2), number(3)])).toHaveLength(3);
    expect((await connections()).length).toBeLessThanOrEqual(2);
  });
});
