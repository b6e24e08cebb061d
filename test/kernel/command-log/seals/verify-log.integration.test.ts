import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { SigningKey } from '../../../../src/kernel/auth/signing-key.ts';
import { type Batch, type BatchRow, NEWEST_BATCH, toBatch } from '../../../../src/kernel/command-log/seals/batch.ts';
import type { VerifyingKeys } from '../../../../src/kernel/command-log/seals/signature.ts';
import type { ExpectedHead } from '../../../../src/kernel/command-log/seals/verify/expected-head.ts';
import type { Finding } from '../../../../src/kernel/command-log/seals/verify/finding.ts';
import { type VerifyEvent, verifyLog } from '../../../../src/kernel/command-log/seals/verify/verify-log.ts';
import { type ConnectionPool, createPool } from '../../../../src/kernel/database/pool.ts';
import { insertRecords, ringOf, sealRecords, testKey } from '../../../support/command-log.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/database.ts';

type Result = Extract<VerifyEvent, { kind: 'result' }>;

describe('verification of the log', () => {
  let database: TestDatabase;
  let writer: ConnectionPool;
  let reader: ConnectionPool;
  let key: SigningKey;
  let ids: string[];
  beforeAll(async () => {
    key = await testKey();
  });
  beforeEach(async () => {
    database = await createTestDatabase();
    writer = createPool(database.connections.writer, { name: 'sealer', max: 1, readOnly: false });
    reader = createPool(database.connections.reader, { name: 'verify', max: 2, readOnly: true });
    // Three batches: 1 to 5, 6 to 8, 9 to 12.
    ids = [];
    for (const count of [5, 3, 4]) {
      ids.push(...(await insertRecords(database, count)));
      await sealRecords({ pool: writer, key }, count);
    }
  });
  afterEach(async () => {
    await Promise.all([writer.close(), reader.close()]);
    await database.drop();
  });

  async function verified(options: { expectedHead?: ExpectedHead; keys?: VerifyingKeys } = {}) {
    const events = await Array.fromAsync(verifyLog({ pool: reader, keys: ringOf(key), ...options }));
    const findings = events.flatMap((event) => (event.kind === 'finding' ? [event.finding] : []));
    return { events, findings, result: events.at(-1) as Result };
  }
  /** What was found, without its descriptions; the record by its number among those that were inserted, from 1. */
  async function found(options: { expectedHead?: ExpectedHead; keys?: VerifyingKeys } = {}): Promise<string[]> {
    const { findings, result } = await verified(options);
    expect(result.findings).toBe(findings.length);
    for (const { description } of findings) expect(description).not.toMatch(/undefined|NaN/);
    return findings.map(named);
  }
  const named = ({ kind, commandId, sequence, batch }: Finding): string =>
    [kind, commandId && `record ${ids.indexOf(commandId) + 1}`, sequence && `place ${sequence}`, batch && `batch ${batch}`]
      .filter(Boolean)
      .join(' ');
  const head = async (): Promise<Batch & ExpectedHead> => {
    const [row] = await database.query<BatchRow & Record<string, unknown>>(NEWEST_BATCH);
    if (!row) throw new Error('nothing is sealed');
    const batch = toBatch(row);
    return { ...batch, batch: batch.number, sequence: batch.lastSequence };
  };
  const id = (place: number): string => ids[place - 1] ?? '';

  it('finds nothing in a log that nobody touched, and answers its head', async () => {
    await insertRecords(database, 2);
    const kept = await head();
    const { events, findings, result } = await verified({ expectedHead: kept });
    expect(findings).toEqual([]);
    expect(result).toMatchObject({
      verified: 12,
      pruned: 0,
      findings: 0,
      head: { number: 3, lastSequence: 12, hash: kept.hash },
    });
    expect(events).toContainEqual({ kind: 'progress', verified: 0, total: 12 });
    expect(events).toContainEqual({ kind: 'progress', verified: 12, total: 12 });
  });

  it('finds nothing in an empty log', async () => {
    await database.query('truncate cqrs.command_log, cqrs.command_seal, cqrs.command_seal_batch');
    expect(await verified()).toMatchObject({ findings: [], result: { verified: 0, head: undefined } });
  });

  it('lets personal data be erased', async () => {
    await database.query('update cqrs.command_log set personal = null where command_id = any($1)', [[id(2), id(7)]]);
    expect(await found()).toEqual([]);
  });

  describe('names the record', () => {
    const changes: Record<string, string> = {
      position: 'position + 1000',
      transaction_id: `'3'`,
      method: `method || 'x'`,
      principal: `'somebody else'`,
      roles: `'{admin}'`,
      session: `'another'`,
      request: `replace(request::text, '2', '7')::json`,
      'the white space of request': `(request::text || ' ')::json`,
      personal: `replace(personal::text, 'Ada', 'Eve')::json`,
      personal_digest: 'sha256(personal_digest)',
      'personal and its digest': '',
      outcome: `'rejected'`,
      code: `'NOT_FOUND'`,
      reason: `'X'`,
      dry_run: 'true',
      answered_by: 'gen_random_uuid()',
      aggregate_type: `'a'`,
      aggregate_id: 'null',
      version_before: 'null',
      version_after: 'version_after + 1',
      event_ids: 'event_ids[2:2] || event_ids[1:1]',
      attempts: '2',
      duration_us: '0',
      trace_id: `upper(trace_id)`,
      peer: `''`,
      user_agent: `'TEST'`,
    };
    it.each(Object.keys(changes))('with a changed field: %s', async (field) => {
      if (field === 'position') await database.query('alter table cqrs.command_log alter position drop identity');
      const column = field.split(' ').at(-1);
      const set =
        field === 'personal and its digest' ? `personal = '{}', personal_digest = sha256('{}')` : `${column} = ${changes[field]}`;
      await database.query(`update cqrs.command_log set ${set} where command_id = $1`, [id(7)]);
      expect(await found()).toEqual(['CHANGED record 7 place 7 batch 2']);
    });

    it('that was removed', async () => {
      await database.query('delete from cqrs.command_log where command_id = any($1)', [[id(1), id(12)]]);
      expect(await found()).toEqual(['REMOVED record 1 place 1 batch 1', 'REMOVED record 12 place 12 batch 3']);
    });

    it('that was inserted', async () => {
      const [inserted = ''] = await insertRecords(database, 1);
      await database.query(`update cqrs.command_log set transaction_id = '5' where command_id = $1`, [inserted]);
      ids.push(inserted, ...(await insertRecords(database, 1)));
      // The other one only waits for its seal.
      expect(await found()).toEqual(['INSERTED record 13']);
    });

    it('that was moved to another time', async () => {
      await database.query(`update cqrs.command_log set received_at = received_at + interval '1 second' where command_id = $1`, [
        id(4),
      ]);
      expect(await found()).toEqual(['REMOVED record 4 place 4 batch 1', 'INSERTED record 4']);
    });
  });

  describe('names both of two swapped records', () => {
    const [one, other] = [3, 10];
    const both = ['SWAPPED record 3 place 3 batch 1', 'SWAPPED record 10 place 10 batch 3'];
    const exchange = (columns: string): Promise<unknown> =>
      database.query(
        `alter table cqrs.command_log alter position drop identity;
         alter table cqrs.command_log drop constraint command_log_pkey;
         update cqrs.command_log as record set (${columns}) = (select ${columns} from cqrs.command_log as other
           where other.command_id in ('${id(one)}', '${id(other)}') and other.command_id <> record.command_id)
         where command_id in ('${id(one)}', '${id(other)}')`,
      );
    const content = `method, principal, roles, session, request, personal, personal_digest, outcome, code, reason, dry_run, answered_by, aggregate_type,
      aggregate_id, version_before, version_after, event_ids, attempts, duration_us, trace_id, peer, user_agent`;

    it.each([
      ['their places', 'position, transaction_id'],
      ['their positions', 'position'],
      ['their ids', 'command_id'],
      ['their ids and times', 'command_id, received_at'],
      ['their times', 'received_at'],
      ['all that they say', content],
      ['all that they say, and when it was', `received_at, ${content}`],
    ])('that exchanged %s', async (_, columns) => {
      await exchange(columns);
      expect((await found()).sort()).toEqual([...both].sort());
    });

    it('that exchanged their seals inside a batch', async () => {
      await database.query(`update cqrs.command_seal set sequence = -sequence where sequence in (2, 4)`);
      await database.query(`update cqrs.command_seal set sequence = 6 + sequence where sequence < 0`);
      expect(await found()).toEqual(['SWAPPED record 2 place 2 batch 1', 'SWAPPED record 4 place 4 batch 1']);
    });

    it('but not the one that only got the request of another', async () => {
      await database.query(
        `update cqrs.command_log set request = (select request from cqrs.command_log where command_id = $2) where command_id = $1`,
        [id(one), id(other)],
      );
      expect(await found()).toEqual(['CHANGED record 3 place 3 batch 1']);
    });
  });

  describe('with a head that was kept', () => {
    it('finds that everything after a batch was cut off', async () => {
      const expectedHead = await head();
      await database.query('delete from cqrs.command_log where command_id = any($1)', [ids.slice(5)]);
      await database.query('delete from cqrs.command_seal where sequence > 5');
      await database.query('delete from cqrs.command_seal_batch where number > 1');
      expect(await found()).toEqual([]);
      expect(await found({ expectedHead })).toEqual(['TRUNCATED place 12 batch 3']);
    });

    it('finds that the end was cut off and the log went on', async () => {
      const expectedHead = await head();
      await database.query('delete from cqrs.command_log where command_id = any($1)', [ids.slice(8)]);
      await database.query('delete from cqrs.command_seal where sequence > 8');
      await database.query('delete from cqrs.command_seal_batch where number > 2');
      await insertRecords(database, 6);
      await sealRecords({ pool: writer, key }, 6);
      expect(await found()).toEqual([]);
      expect(await found({ expectedHead })).toEqual(['TRUNCATED place 12 batch 3']);
    });

    it('finds that records and seals were cut off, and the batch left', async () => {
      const expectedHead = await head();
      await database.query('delete from cqrs.command_log where command_id = any($1)', [ids.slice(8)]);
      await database.query('delete from cqrs.command_seal where sequence > 8');
      expect(await found({ expectedHead })).toEqual(['BATCH_BROKEN place 9 batch 3', 'TRUNCATED place 12 batch 3']);
    });

    it('is content with one of long ago, and refuses one that nobody signed', async () => {
      const expectedHead = await head();
      await insertRecords(database, 1);
      await sealRecords({ pool: writer, key }, 1);
      expect(await found({ expectedHead })).toEqual([]);
      expect(await found({ expectedHead: { ...expectedHead, hash: Buffer.alloc(32, 1) } })).toEqual([
        'SIGNATURE_INVALID batch 3',
      ]);
    });
  });

  describe('names the batch', () => {
    it.each([
      ['first_sequence', 'first_sequence - 1'],
      ['last_sequence', '9223372036854775807'],
      ['root', 'sha256(root)'],
      ['previous', 'sha256(previous)'],
      ['hash', 'sha256(hash)'],
      ['sealed_at', `sealed_at + interval '1 millisecond'`],
      ['sealed_below', `'7'`],
    ])('of which %s was changed', async (column, value) => {
      await database.query(`update cqrs.command_seal_batch set ${column} = ${value} where number = 2`);
      const all = await found();
      expect(all[0]).toBe('BATCH_BROKEN batch 2');
      expect(all.slice(1).every((finding) => finding.startsWith('BATCH_BROKEN batch 3'))).toBe(true);
      expect(all).toHaveLength(column === 'last_sequence' ? 2 : 1);
    });

    it('whose signature was changed, or is by another key, which is named', async () => {
      await database.query(`update cqrs.command_seal_batch set signature = sha256(signature) where number = 2`);
      expect(await found()).toEqual(['SIGNATURE_INVALID batch 2']);
      const { findings } = await verified({ keys: ringOf(await testKey()) });
      expect(findings.map(named)).toEqual(['SIGNATURE_INVALID batch 1']);
      expect(findings[0]?.description).toContain(key.publicJwk.kid);
    });

    it('that is missing', async () => {
      await database.query('delete from cqrs.command_seal_batch where number = 2');
      expect(await found()).toContain('BATCH_BROKEN batch 2');
    });

    it('of which a seal was removed', async () => {
      await database.query('delete from cqrs.command_seal where sequence = 7');
      expect(await found()).toEqual(['BATCH_BROKEN place 7 batch 2', 'INSERTED record 7']);
    });

    it('of which a seal was changed, and the record whose personal part was changed besides', async () => {
      await database.query('update cqrs.command_seal set digest = sha256(digest) where sequence = 7');
      await database.query(`update cqrs.command_log set personal = '{}' where command_id = $1`, [id(8)]);
      expect(await found()).toEqual(['BATCH_BROKEN place 7 batch 2', 'CHANGED record 8 place 8 batch 2']);
    });

    it('of which a seal was changed to go with a changed record', async () => {
      await database.query(`update cqrs.command_seal set digest = sha256(digest) where sequence = 7`);
      expect(await found()).toEqual(['BATCH_BROKEN place 7 batch 2']);
      await database.query(`update cqrs.command_log set reason = 'X' where command_id = $1`, [id(7)]);
      expect(await found()).toEqual(['BATCH_BROKEN batch 2', 'CHANGED record 7 place 7 batch 2']);
    });

    it('that is of another chain, though the service signed it', async () => {
      await database.query('create table kept_log as select * from cqrs.command_log where command_id = any($1)', [ids.slice(8)]);
      await database.query('create table kept_seal as select * from cqrs.command_seal where sequence > 8');
      await database.query('create table kept_batch as select * from cqrs.command_seal_batch where number = 3');
      await database.query('delete from cqrs.command_log where command_id = any($1)', [ids.slice(5)]);
      await database.query('delete from cqrs.command_seal where sequence > 5');
      await database.query('delete from cqrs.command_seal_batch where number > 1');
      await insertRecords(database, 3);
      await sealRecords({ pool: writer, key }, 3);
      await database.query('insert into cqrs.command_log overriding system value select * from kept_log');
      await database.query('insert into cqrs.command_seal select * from kept_seal');
      await database.query('insert into cqrs.command_seal_batch select * from kept_batch');
      expect(await found()).toContain('BATCH_BROKEN batch 3');
    });

    it('that seals are left of', async () => {
      await database.query('delete from cqrs.command_seal_batch where number = 3');
      expect(await found()).toEqual(['BATCH_BROKEN place 9']);
    });
  });

  it('counts findings past a thousand and does not tell them', async () => {
    ids.push(...(await insertRecords(database, 1_500)));
    await sealRecords({ pool: writer, key }, 1_500);
    await database.query(`update cqrs.command_log set reason = 'X' where command_id = any($1)`, [ids.slice(12, 1212)]);
    const { findings, result } = await verified();
    expect(findings).toHaveLength(1_000);
    expect(result.findings).toBe(1_200);
  });

  it('gives its connection back when nobody listens any more', async () => {
    for await (const event of verifyLog({ pool: reader, keys: ringOf(key) })) if (event.kind === 'progress') break;
    expect(reader.totalCount - reader.idleCount).toBe(0);
    expect(await found()).toEqual([]);
  });
});
