import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { SigningKey } from '../../../../src/kernel/auth/signing-key.ts';
import { SEALED_FORM } from '../../../../src/kernel/command-log/seals/canonical-record.ts';
import type { VerifyingKeys } from '../../../../src/kernel/command-log/seals/signature.ts';
import { verifyLog } from '../../../../src/kernel/command-log/seals/verify/verify-log.ts';
import { type ConnectionPool, createPool } from '../../../../src/kernel/database/pool.ts';
import { insertRecords, ringOf, sealRecords, testKey } from '../../../support/command-log.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/database.ts';
import { restoreLog } from '../../../support/restored-log.ts';

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
    await database.query('update cqrs.command_seal_batch set form = 2 where number = 2');
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
