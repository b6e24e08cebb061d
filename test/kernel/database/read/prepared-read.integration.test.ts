import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { type ConnectionPool, createPool } from '../../../../src/kernel/database/pool.ts';
import { PreparedRead, Unprepared } from '../../../../src/kernel/database/read/prepared-read.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/database.ts';

let database: TestDatabase;
let pool: ConnectionPool;
let client: pg.PoolClient;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool(database.connections.reader, { name: 'prepared', max: 1, readOnly: true, pipeline: true });
  client = await pool.connect();
});
afterAll(async () => {
  client.release();
  await pool.close();
  await database.drop();
});

const read = (name: string, text: string, values: readonly unknown[]): Promise<unknown[]> =>
  client.query(new PreparedRead(client, { name, text, values })).done;

const EVERYTHING = `select $1::uuid as id, $2::text[] as texts, $3::timestamptz as at, $4::bigint as big, $5::integer as small,
  $6::bytea as bytes, $7::boolean as yes, $8::text as missing, $9::jsonb as json, $10::numeric as amount, $11::integer[] as numbers`;
const VALUES = [
  '01930000-0000-7000-8000-000000000001',
  ['a', 'b "quoted", {braced}', '\\', ''],
  new Date('2026-02-03T04:05:06.789Z'),
  String(2n ** 62n),
  -7,
  Buffer.from([0, 1, 255]),
  true,
  null,
  JSON.stringify({ a: [1, null] }),
  '12.50',
  [1, 2],
];

describe('a prepared read', () => {
  it('returns what pg returns, the first time and later', async () => {
    const { rows } = await client.query(EVERYTHING, VALUES);
    expect(rows).toHaveLength(1);
    for (let time = 0; time < 2; time += 1) expect(await read('everything', EVERYTHING, VALUES)).toEqual(rows);
  });

  it('has as many rows as there are, sent together too', async () => {
    const text = 'select n, null::text as nothing from generate_series(1, $1::integer) as n';
    const numbers = [0, 3, 500];
    const answers = await Promise.all(numbers.map((most) => read('many', text, [most])));
    expect(answers).toEqual(numbers.map((most) => Array.from({ length: most }, (_, n) => ({ n: n + 1, nothing: null }))));
  });

  it('fails alone, and is prepared for those behind it', async () => {
    const text = 'select 1 / $1::integer as one';
    const [failed, fine] = await Promise.allSettled([read('division', text, [0]), read('division', text, [1])]);
    expect(failed).toMatchObject({ status: 'rejected', reason: { code: '22012' } });
    expect(fine).toEqual({ status: 'fulfilled', value: [{ one: 1 }] });
  });

  it('says that it is not prepared where the one before it could not be, and is prepared then', async () => {
    const text = 'select absent from read.user_directory where id = $1';
    const answers = await Promise.allSettled([1, 2].map(() => read('wrong', text, [VALUES[0]])));
    expect(answers[0]).toMatchObject({ reason: { code: '42703' } });
    expect(answers[1]).toMatchObject({ reason: expect.any(Unprepared) });

    const lost = 'select 1 as one where $1::integer = 1';
    await read('lost', lost, [1]);
    await client.query('deallocate lost');
    await expect(read('lost', lost, [1])).rejects.toBeInstanceOf(Unprepared);
    expect(await read('lost', lost, [1])).toEqual([{ one: 1 }]);
  });
});
