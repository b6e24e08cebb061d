import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { SigningKey } from '../../../../src/kernel/auth/signing-key.ts';
import { type NotSealed, type Pruned, pruneLog, type Query } from '../../../../src/kernel/command-log/seals/prune.ts';
import { verifyLog } from '../../../../src/kernel/command-log/seals/verify/verify-log.ts';
import { type ConnectionPool, createPool } from '../../../../src/kernel/database/pool.ts';
import { insertRecords, ringOf, sealRecords, testKey } from '../../../support/command-log.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/database.ts';

describe('pruning the log', () => {
  let database: TestDatabase;
  let writer: ConnectionPool;
  let key: SigningKey;
  beforeAll(async () => {
    key = await testKey();
  });
  beforeEach(async () => {
    database = await createTestDatabase();
    writer = createPool(database.connections.writer, { name: 'prune', max: 2, readOnly: false });
    for (const [name, from, before] of MONTHS)
      await database.query(
        `create table cqrs.${name} partition of cqrs.command_log for values from ('${from}Z') to ('${before}Z')`,
      );
    for (const [name] of MONTHS) await database.query(`alter table cqrs.${name} owner to bicameral_owner`);
  });
  afterEach(async () => {
    await writer.close();
    await database.drop();
  });

  const MONTHS = [
    ['command_log_2020_01', '2020-01-01', '2020-02-01'],
    ['command_log_2020_02', '2020-02-01', '2020-03-01'],
    ['command_log_2020_03', '2020-03-01', '2020-04-01'],
  ] as const;

  async function prune(before: string): Promise<Pruned | NotSealed> {
    const client = await writer.connect();
    try {
      await client.query('begin');
      const query: Query = async (text, values) => (await client.query(text, [...values])).rows;
      const pruned = await pruneLog(query, { before: new Date(before), key, now: new Date() });
      await client.query('notSealed' in pruned ? 'rollback' : 'commit');
      return pruned;
    } catch (error) {
      await client.query('rollback');
      throw error;
    } finally {
      client.release();
    }
  }
  async function record(receivedAt: string, count = 1): Promise<string[]> {
    const ids = await insertRecords(database, count, { receivedAt: new Date(receivedAt) });
    await sealRecords({ pool: writer, key }, count);
    return ids;
  }
  async function verified() {
    const events = await Array.fromAsync(verifyLog({ pool: writer, keys: ringOf(key) }));
    const findings = events.flatMap((event) =>
      event.kind === 'finding' ? [`${event.finding.kind} ${event.finding.sequence}`] : [],
    );
    const result = events.at(-1);
    if (result?.kind !== 'result') throw new Error('there is no result');
    return { findings, verified: result.verified, pruned: result.pruned };
  }
  const count = async (table: string): Promise<number> =>
    Number((await database.query<{ count: string }>(`select count(*) from cqrs.${table}`))[0]?.count);

  it('removes the months that end at or before a time, with their seals, and the log stays whole', async () => {
    await record('2020-01-05', 3);
    await record('2020-02-05', 2);
    await record('2020-03-05', 4);
    expect(await prune('2020-03-31')).toEqual({ months: ['2020-01', '2020-02'], records: 5 });
    expect([await count('command_log'), await count('command_seal'), await count('command_seal_batch')]).toEqual([4, 4, 3]);
    expect(await verified()).toEqual({ findings: [], verified: 4, pruned: 5 });

    await record('2020-03-06');
    expect(await prune('2020-04-01')).toEqual({ months: ['2020-03'], records: 5 });
    expect(await verified()).toEqual({ findings: [], verified: 0, pruned: 10 });
    await record('2020-05-01');
    expect(await verified()).toEqual({ findings: [], verified: 1, pruned: 10 });
  });

  it('removes nothing before the end of the first month, and nothing twice', async () => {
    await record('2020-01-05');
    expect(await prune('2020-01-31')).toEqual({ months: [], records: 0 });
    expect(await prune('2020-02-01')).toEqual({ months: ['2020-01'], records: 1 });
    expect(await prune('2020-02-01')).toEqual({ months: [], records: 0 });
  });

  it('keeps the month of now and those to come, whatever time is asked for', async () => {
    await record(new Date().toISOString());
    await prune('2999-01-01');
    expect(await count('command_log')).toBe(1);
    expect(await count('command_seal')).toBe(1);
  });

  it('keeps the seals of a batch that holds records of a month that stays', async () => {
    await record('2020-01-31T23:59:59.998Z', 2);
    expect(await prune('2020-02-01')).toEqual({ months: ['2020-01'], records: 1 });
    expect(await count('command_seal')).toBe(2);
    expect(await verified()).toEqual({ findings: [], verified: 1, pruned: 1 });

    expect(await prune('2020-03-01')).toEqual({ months: ['2020-02'], records: 1 });
    expect(await count('command_seal')).toBe(0);
    expect(await verified()).toEqual({ findings: [], verified: 0, pruned: 2 });
  });

  it('does not count records of months that have no partition', async () => {
    await record('2020-01-05');
    await record('2019-01-05');
    await insertRecords(database, 1, { receivedAt: new Date('2019-01-06') });
    expect(await prune('2020-02-01')).toEqual({ months: ['2020-01'], records: 1 });
    expect(await count('command_log')).toBe(2);
    expect(await verified()).toEqual({ findings: [], verified: 1, pruned: 1 });
  });

  it('refuses a month with a record that is not sealed, and removes nothing', async () => {
    await record('2020-01-05', 2);
    await record('2020-02-05', 2);
    await insertRecords(database, 1, { receivedAt: new Date('2020-02-06') });
    expect(await prune('2020-03-01')).toEqual({ notSealed: '2020-02' });
    expect([await count('command_log'), await count('command_seal')]).toEqual([5, 4]);
    expect(await prune('2020-02-01')).toEqual({ months: ['2020-01'], records: 2 });
  });

  it('lets nobody say that records were pruned who has not the key', async () => {
    await record('2020-01-05', 2);
    await record('2020-02-05', 1);
    await writer.query(`select * from cqrs.prune_command_log('2020-02-01')`);
    expect((await verified()).findings[0]).toBe('BATCH_BROKEN 1');

    const forged = `insert into cqrs.command_log_prune values ('2020-01-01Z', '2020-02-01Z', now(), 2, sha256(''), $1)`;
    await writer.query(forged, [key.publicJwk.kid]);
    expect((await verified()).findings).toEqual(['SIGNATURE_INVALID undefined', 'BATCH_BROKEN 1']);
  });

  it('finds a record that was removed besides those that were pruned', async () => {
    await record('2020-01-05', 2);
    const [id] = await record('2020-02-05', 2);
    await prune('2020-02-01');
    await database.query('delete from cqrs.command_log where command_id = $1', [id]);
    expect((await verified()).findings).toEqual(['REMOVED 3']);
  });

  it('does not wait long for whoever is in the way', async () => {
    await record('2020-01-05');
    const slow = new pg.Client(database.connections.writer);
    await slow.connect();
    await slow.query('begin; select count(*) from cqrs.command_log');
    await expect(prune('2020-02-01')).rejects.toMatchObject({ code: '55P03' });
    await slow.end();
    expect(await prune('2020-02-01')).toEqual({ months: ['2020-01'], records: 1 });
  });

  it('is for those who may write only', async () => {
    const reader = new pg.Client(database.connections.reader);
    await reader.connect();
    await expect(reader.query(`select * from cqrs.prune_command_log('2020-02-01')`)).rejects.toThrow('permission denied');
    await expect(writer.query('drop table cqrs.command_log_2020_01')).rejects.toThrow('must be owner');
    await reader.end();
  });
});
