import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { makeMonthsAhead } from '../../../src/kernel/command-log/months-ahead.ts';
import { type ConnectionPool, createPool } from '../../../src/kernel/database/pool.ts';
import { insertRecords, sealRecords, testKey } from '../../support/command-log.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { eventually } from '../../support/eventually.ts';

let database: TestDatabase;
let writer: ConnectionPool;
beforeEach(async () => {
  database = await createTestDatabase();
  writer = createPool(database.connections.writer, { name: 'months', max: 2, readOnly: false });
});
afterEach(async () => {
  await writer.close();
  await database.drop();
});

/** The partitions of the log, oldest month first. */
async function months(): Promise<string[]> {
  const rows = await database.query<{ name: string }>(
    `select relname as name from pg_inherits join pg_class on pg_class.oid = inhrelid
     where inhparent = 'cqrs.command_log'::regclass and relname <> 'command_log_default' order by 1`,
  );
  return rows.map(({ name }) => name.replace('command_log_', ''));
}
const inDefault = async (): Promise<number> => (await database.query('select from cqrs.command_log_default')).length;

/** As if it were so many months later: what the program calls asks for the time, and this is what that calls. */
const later = (by: number, ahead = 24) =>
  database.query<{ made: number }>(
    'select cqrs.make_command_log_months((now() + make_interval(months => $1))::date, $2) as made',
    [by, ahead],
  );
const inMonths = (by: number): Date => {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + by, 15));
};
const nameOf = (time: Date): string => time.toISOString().slice(0, 7).replace('-', '_');

describe('the months of the log', () => {
  it('are two years ahead after the migration, and nothing is made where nothing is missing', async () => {
    expect(await months()).toHaveLength(25);
    expect(await makeMonthsAhead(writer)).toBe(0);
  });

  it('go on in the 25th month and for ever after', async () => {
    for (const by of [1, 2, 25, 60]) await later(by);
    const made = await months();
    for (const by of [25, 26, 49, 60, 84]) expect(made).toContain(nameOf(inMonths(by)));
    await insertRecords(database, 3, { receivedAt: inMonths(60) });
    expect(await inDefault()).toBe(0);
  });

  it('are made when records of theirs are in the default partition, which move and are sealed as they were', async () => {
    const key = await testKey();
    const far = inMonths(30);
    const sealedBefore = await insertRecords(database, 3, { receivedAt: far });
    await sealRecords({ pool: writer, key }, 3);
    const digests = await database.query('select command_id, digest from cqrs.command_seal order by sequence');
    const notSealed = await insertRecords(database, 2, { receivedAt: inMonths(31) });
    const kept = await database.query('select * from cqrs.command_log order by position');
    expect(await inDefault()).toBe(5);

    expect(await makeMonthsAhead(writer)).toBe(2);
    expect(await inDefault()).toBe(0);
    expect(await months()).toEqual(expect.arrayContaining([nameOf(far), nameOf(inMonths(31))]));
    expect(await database.query('select * from cqrs.command_log order by position')).toEqual(kept);
    await sealRecords({ pool: writer, key }, 2);
    const seals = await database.query<{ command_id: string }>(
      'select command_id, digest from cqrs.command_seal order by sequence',
    );
    expect(seals.slice(0, 3)).toEqual(digests);
    expect(seals.map(({ command_id }) => command_id)).toEqual([...sealedBefore, ...notSealed]);
  });

  it('take new records while they are made, and are indexed like the others', async () => {
    await insertRecords(database, 1, { receivedAt: inMonths(40) });
    await Promise.all([makeMonthsAhead(writer), insertRecords(database, 20), insertRecords(database, 20)]);
    await eventually(async () => {
      await makeMonthsAhead(writer);
      expect(await inDefault()).toBe(0);
    });
    const [made] = await database.query<{ indexes: number }>(
      `select count(*)::integer as indexes from pg_index where indrelid = 'cqrs.command_log_${nameOf(inMonths(40))}'::regclass`,
    );
    const [other] = await database.query<{ indexes: number }>(
      `select count(*)::integer as indexes from pg_index where indrelid = 'cqrs.command_log_${nameOf(new Date())}'::regclass`,
    );
    expect(made).toEqual(other);
    await insertRecords(database, 1, { receivedAt: inMonths(40) });
    expect(await inDefault()).toBe(0);
  });

  it('are made by one instance at a time, and nobody is waited for', async () => {
    const other = new pg.Client(database.connections.writer);
    await other.connect();
    await other.query('begin');
    await other.query(`select pg_advisory_xact_lock(hashtext('cqrs.command_log partitions'))`);
    await insertRecords(database, 1, { receivedAt: inMonths(50) });
    expect(await makeMonthsAhead(writer)).toBe(0);
    await other.query('rollback');
    await other.query('begin');
    await other.query('select from cqrs.command_log');
    await expect(makeMonthsAhead(writer)).rejects.toMatchObject({ code: '55P03' });
    await other.query('rollback');
    await other.end();
    expect(await makeMonthsAhead(writer)).toBe(1);
  });

  it('have a bound, because a replica cannot follow a transaction that makes thousands', async () => {
    for (const number of [3_000, 37, -1, null]) {
      await expect(writer.query('select cqrs.add_command_log_partitions($1)', [number])).rejects.toMatchObject({ code: '22023' });
    }
    await expect(writer.query('select cqrs.make_command_log_months(now()::date, 3000)')).rejects.toMatchObject({ code: '42501' });
    await expect(writer.query('select cqrs.make_command_log_month(now()::date)')).rejects.toMatchObject({ code: '42501' });
    expect(await months()).toHaveLength(25);
  });
});
