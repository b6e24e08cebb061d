import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Cancellation } from '../../../../src/kernel/bus/cancellation.ts';
import { CallCanceled } from '../../../../src/kernel/bus/errors.ts';
import { type ConnectionPool, createPool } from '../../../../src/kernel/database/pool.ts';
import { askPosition, type LogPosition, parseLsn } from '../../../../src/kernel/database/read/log-position.ts';
import { SharedConnections } from '../../../../src/kernel/database/read/shared-connections.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';
import { FOREVER } from '../../../support/patience.ts';

let database: TestDatabase;
let pool: ConnectionPool;
let shared: SharedConnections;
/** How often the database was asked where it is. */
let asked = 0;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool(database.connections.reader, { name: 'sharing', max: 2, readOnly: true, pipeline: true });
  shared = new SharedConnections(pool, 2, async (client) => {
    asked += 1;
    return await askPosition(client, '0');
  });
});
afterAll(async () => {
  shared.release();
  await pool.close();
  await database.drop();
});

const number = (value: number, cancellation = new Cancellation()): Promise<unknown[]> =>
  shared.rows({ text: 'select $1::integer as number', values: [value] }, cancellation);
const sleep = (seconds: number, cancellation = new Cancellation()): Promise<unknown[]> =>
  shared.rows({ text: 'select pg_sleep($1)', values: [seconds] }, cancellation);
const writtenLsn = async (): Promise<bigint> => {
  const [row] = await database.query<{ lsn: string }>('select pg_current_wal_flush_lsn() as lsn');
  return parseLsn(row?.lsn ?? '');
};
const connections = async (): Promise<number[]> => {
  const rows = await database.query<{ pid: number }>(
    `select pid from pg_stat_activity where datname = current_database() and application_name = 'bicameral sharing'`,
  );
  return rows.map(({ pid }) => pid);
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

  it('let a statement fail alone', async () => {
    const failing = shared.rows({ text: 'select 1 / $1::integer', values: [0] }, new Cancellation());
    const others = Array.from({ length: 20 }, (_, n) => number(n));
    await expect(failing).rejects.toMatchObject({ code: '22012' });
    expect(await Promise.all(others)).toHaveLength(20);
  });

  it('stop the statement of a call that is canceled, and no other', async () => {
    const canceled = Array.from({ length: 2 }, () => new Cancellation());
    const slow = Promise.all(
      canceled.map((cancellation) => sleep(FOREVER / 1000, cancellation).catch((error: unknown) => error)),
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

  it('stop a canceled statement when its turn has come', async () => {
    const first = [sleep(0.3), sleep(0.3)];
    const canceled = Array.from({ length: 2 }, () => new Cancellation());
    const second = canceled.map((cancellation) => sleep(FOREVER / 1000, cancellation));
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
    const once = [sleep(2), sleep(2)];
    await cut();
    expect(await Promise.all(once)).toHaveLength(2);

    const twice = [sleep(20), sleep(20)].map((one) => one.catch((error: unknown) => error));
    await cut();
    await cut();
    for (const error of await Promise.all(twice)) expect(error).toBeInstanceOf(Error);
    expect(await Promise.all([number(1), number(2), number(3)])).toHaveLength(3);
    expect((await connections()).length).toBeLessThanOrEqual(2);
  });
});
