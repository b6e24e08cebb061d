import { randomUUID } from 'node:crypto';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { SigningKey } from '../../../../src/kernel/auth/signing-key.ts';
import { RECORD_COLUMNS, type RecordColumn } from '../../../../src/kernel/command-log/record-columns.ts';
import { SEALED_FORM } from '../../../../src/kernel/command-log/seals/canonical-record.ts';
import type { VerifyingKeys } from '../../../../src/kernel/command-log/seals/signature.ts';
import { verifyLog } from '../../../../src/kernel/command-log/seals/verify/verify-log.ts';
import { type ConnectionPool, createPool } from '../../../../src/kernel/database/pool.ts';
import { insertRecords, ringOf, sealRecords, testKey } from '../../../support/command-log.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/database.ts';
import { restoreLog } from '../../../support/restored-log.ts';

/** Each form in which logs were sealed until now, by a log that was sealed so. */
const SEALED = [
  { form: 1, file: new URL('../../database/fixtures/20261124000000-command-log.json', import.meta.url), records: 17 },
  { form: 2, file: new URL('../../database/fixtures/20261125140000-compared-text.json', import.meta.url), records: 21 },
  { form: 3, file: new URL('./fixtures/form-3.json', import.meta.url), records: 11 },
];

/** Made by version 0.1: batches of 5, 3, 4 and 1 records, the last refused and anonymous, one erased since; a mark of a pruned month. */
const SEALED_BY_0_1 = new URL('./fixtures/sealed-by-0.1.json', import.meta.url);

describe('a log that version 0.1 sealed', () => {
  let database: TestDatabase;
  let writer: ConnectionPool;
  let first: VerifyingKeys;
  let key: SigningKey;
  beforeAll(async () => {
    key = await testKey();
  });
  beforeEach(async () => {
    database = await createTestDatabase();
    writer = createPool(database.connections.writer, { name: 'sealer', max: 1, readOnly: false });
    first = await restoreLog(database, SEALED_BY_0_1);
  });
  afterEach(async () => {
    await writer.close();
    await database.drop();
  });

  async function verified() {
    const events = await Array.fromAsync(verifyLog({ pool: writer, keys: new Map([...first, ...ringOf(key)]) }));
    const findings = events.flatMap((event) => (event.kind === 'finding' ? [event.finding] : []));
    const result = events.at(-1);
    if (result?.kind !== 'result') throw new Error('there is no result');
    return { result, found: findings.map(({ kind, sequence, batch }) => `${kind} ${sequence ?? '-'} of batch ${batch}`) };
  }

  it('is whole by the public half of its key', async () => {
    const { found, result } = await verified();
    expect(found).toEqual([]);
    expect(result).toMatchObject({ verified: 13, sealedBy: [{ keyId: [...first.keys()][0], batches: 4, isHeld: true }] });
  });

  it('is gone on with in the form of now, by another key', async () => {
    const [id] = await insertRecords(database, 2);
    await database.query(`update cqrs.command_log set issuer = 'https://issuer.example' where command_id = $1`, [id]);
    await sealRecords({ pool: writer, key }, 2);

    const { found, result } = await verified();
    expect(found).toEqual([]);
    expect(result.verified).toBe(15);
    expect(result.sealedBy.map(({ keyId, firstBatch }) => [keyId, firstBatch])).toEqual([
      [[...first.keys()][0], 1],
      [key.publicJwk.kid, 5],
    ]);
    const forms = await database.query('select form from cqrs.command_seal_batch order by number');
    expect(forms.map(({ form }) => form)).toEqual([1, 1, 1, 1, SEALED_FORM]);

    await database.query(`update cqrs.command_log set issuer = 'bicameral' where command_id = $1`, [id]);
    expect((await verified()).found).toEqual(['CHANGED 14 of batch 5']);
  });

  it('has no place for what was not sealed: a column that came later stays empty', async () => {
    await database.query(`update cqrs.command_log set issuer = 'bicameral' where position = 2`);
    expect((await verified()).found).toEqual(['CHANGED 2 of batch 1']);
  });

  it('shows what was changed and exchanged since', async () => {
    await database.query(`update cqrs.command_log set peer = '192.0.2.1:1' where position = 13`);
    expect((await verified()).found).toEqual(['CHANGED 13 of batch 4']);
    await database.query(`update cqrs.command_log set peer = '127.0.0.1:1' where position = 13`);
    await database.query(`update cqrs.command_log as record set method = other.method, principal = other.principal, session = other.session,
        request = other.request, personal = other.personal, personal_digest = other.personal_digest, aggregate_id = other.aggregate_id,
        version_before = other.version_before, version_after = other.version_after, event_ids = other.event_ids
      from cqrs.command_log as other where (record.position, other.position) in ((1, 7), (7, 1))`);
    expect((await verified()).found.sort()).toEqual(['SWAPPED 1 of batch 1', 'SWAPPED 7 of batch 2']);
  });

  it('cannot be passed off as sealed in another form', async () => {
    await database.query(`update cqrs.command_seal_batch set form = ${SEALED_FORM} where number = 2`);
    const { found } = await verified();
    expect(found).toContain('BATCH_BROKEN - of batch 2');
  });

  it('is not gone on with by the program of before', async () => {
    const insert = `insert into cqrs.command_seal_batch (number, first_sequence, last_sequence, root, previous, hash, signature, key_id, sealed_at, sealed_below)
      values (5, 14, 14, '', '', '', '', 'x', now(), '1')`;
    await expect(database.query(insert)).rejects.toMatchObject({ code: '23514', constraint: 'command_seal_batch_form' });
    // That program inserts as the writer, who may not do that any more either.
    await expect(writer.query(insert)).rejects.toMatchObject({ code: '42501' });
  });
});

describe('the forms of sealed records', () => {
  it('are what they were: what is in one stays in it, in its order', () => {
    const FORM_1 =
      `position transaction_id command_id received_at method principal roles session request personal_digest outcome code
      reason dry_run answered_by aggregate_type aggregate_id version_before version_after event_ids attempts duration_us trace_id peer
      user_agent`.split(/\s+/);
    const columns = Object.entries<RecordColumn>(RECORD_COLUMNS);
    const formOf = (form: number) => columns.filter(([, { since = Infinity }]) => since <= form).map(([name]) => name);
    expect(formOf(1)).toEqual(FORM_1);
    expect(formOf(2)).toEqual([...FORM_1, 'issuer']);
    expect(formOf(3)).toEqual([...FORM_1, 'issuer', 'request_excerpt']);
    expect(formOf(4)).toEqual([...FORM_1, 'issuer', 'request_excerpt', 'causation_id', 'correlation_id']);
    expect(SEALED_FORM).toBe(4);
  });

  it.each(SEALED)(
    'a log of form $form is whole, is gone on with in the form of now, and has no place for later columns',
    async ({ form, file, records }) => {
      const database = await createTestDatabase();
      const pool = createPool(database.connections.writer, { name: 'sealer', max: 1, readOnly: false });
      try {
        const first = await restoreLog(database, file);
        const key = await testKey();
        const findings = async () => {
          const events = await Array.fromAsync(verifyLog({ pool, keys: new Map([...first, ...ringOf(key)]) }));
          return events.flatMap((event) => {
            if (event.kind === 'result') return [`${event.verified} verified`];
            return event.kind === 'finding' ? [`${event.finding.kind} ${event.finding.sequence}`] : [];
          });
        };
        expect(await findings()).toEqual([`${records} verified`]);
        await insertRecords(database, 1);
        await sealRecords({ pool, key }, 1);
        expect(await findings()).toEqual([`${records + 1} verified`]);
        const forms = await database.query<{ form: number }>('select distinct form from cqrs.command_seal_batch order by form');
        expect(forms.map((row) => row.form)).toEqual([form, SEALED_FORM]);

        const later = Object.entries<RecordColumn>(RECORD_COLUMNS).filter(([, { since = 0 }]) => since > form);
        for (const [column, { type }] of later) {
          const value = { uuid: randomUUID(), boolean: 'true' }[type as string] ?? 'x';
          await database.query(`update cqrs.command_log set ${column} = $1::${type} where position = 2`, [value]);
          expect(await findings()).toEqual(['CHANGED 2', `${records + 1} verified`]);
          await database.query(`update cqrs.command_log set ${column} = null where position = 2`);
        }
      } finally {
        await pool.close();
        await database.drop();
      }
    },
  );
});
