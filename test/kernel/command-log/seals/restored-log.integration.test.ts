import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { SigningKey } from '../../../../src/kernel/auth/signing-key.ts';
import { type BatchRow, batchHash, NEWEST_BATCH, toBatch } from '../../../../src/kernel/command-log/seals/batch.ts';
import { SEALED_FORM } from '../../../../src/kernel/command-log/seals/canonical-record.ts';
import { pruneLog } from '../../../../src/kernel/command-log/seals/prune.ts';
import { type LogRestored, sealRound } from '../../../../src/kernel/command-log/seals/seal-round.ts';
import { startSealer } from '../../../../src/kernel/command-log/seals/sealer.ts';
import { signed } from '../../../../src/kernel/command-log/seals/signature.ts';
import { unsealedTail } from '../../../../src/kernel/command-log/seals/unsealed-tail.ts';
import { verifyLog } from '../../../../src/kernel/command-log/seals/verify/verify-log.ts';
import { type ConnectionPool, createPool } from '../../../../src/kernel/database/pool.ts';
import { startTestCluster, type TestCluster } from '../../../../src/testing/service/test-cluster.ts';
import { clusterForTests } from '../../../support/cluster.ts';
import { insertRecords, ringOf, testKey } from '../../../support/command-log.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/database.ts';
import { countTransactions, dumpInto, nextTransaction } from '../../../support/dump.ts';
import { eventually } from '../../../support/eventually.ts';
import { restoreLog, withEarlierForms } from '../../../support/restored-log.ts';

let key: SigningKey;
/** Has counted fewer transactions than the cluster of the run. */
let low: TestCluster;
const high = clusterForTests();
const databases: TestDatabase[] = [];
const pools: ConnectionPool[] = [];

beforeAll(async () => {
  key = await testKey();
  low = await startTestCluster();
  const [here, there] = [await createTestDatabase(), await createTestDatabase(low.connections)];
  // So far that the ids of records of the one are ids to come of the other.
  await countTransactions(here, Math.max(0, (await nextTransaction(there)) + 3_000 - (await nextTransaction(here))));
  await Promise.all([here.drop(), there.drop()]);
});
afterAll(() => low.stop());
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close();
  for (const database of databases.splice(0)) await database.drop();
});

interface Log {
  readonly database: TestDatabase;
  readonly pool: ConnectionPool;
  readonly restored: LogRestored[];
}

function logOf(database: TestDatabase): Log {
  databases.push(database);
  const pool = createPool(database.connections.writer, { name: 'sealer', max: 3, readOnly: false });
  pools.push(pool);
  return { database, pool, restored: [] };
}

const seal = ({ pool, restored }: Log): Promise<number> =>
  sealRound({ pool, key, now: Date.now, onRestore: (restore) => restored.push(restore) });

/** Other tests have transactions under way on the same server, which hold a round up. */
const sealAll = (log: Log): Promise<void> =>
  eventually(async () => {
    await seal(log);
    expect((await log.database.query(UNSEALED)).length).toBe(0);
    expect(await unsealedTail(log.pool)).toEqual({ records: 0, ageSeconds: 0 });
  });

const UNSEALED = `select from cqrs.command_log as record
  where not exists (select from cqrs.command_seal as seal where seal.command_id = record.command_id)`;

/** A log with as many records that are sealed, and as many that are not. */
async function sealedLog(cluster = high, { sealed = 5, unsealed = 0 } = {}): Promise<Log> {
  const log = logOf(await createTestDatabase(cluster));
  await insertRecords(log.database, sealed);
  await sealAll(log);
  if (unsealed > 0) await insertRecords(log.database, unsealed);
  return log;
}

const restoreInto = async (cluster: typeof high, log: Log, options?: Parameters<typeof dumpInto>[2]): Promise<Log> =>
  logOf(await dumpInto(cluster, log.database, options));

async function verified({ pool }: Log, keys = ringOf(key)) {
  const events = await Array.fromAsync(verifyLog({ pool, keys }));
  const findings = events.flatMap((event) => (event.kind === 'finding' ? [event.finding] : []));
  const result = events.at(-1);
  if (result?.kind !== 'result') throw new Error('there is no result');
  const { verified: records, restores } = result;
  return { records, restores, found: findings.map(({ kind, batch }) => `${kind} of batch ${batch ?? '-'}`) };
}

const seals = ({ database }: Log) =>
  database.query<{ sequence: string; command_id: string }>(
    'select sequence, command_id from cqrs.command_seal order by sequence',
  );

async function expectEachSealedOnce(log: Log, count: number): Promise<void> {
  const rows = await seals(log);
  expect(rows.map(({ sequence }) => Number(sequence))).toEqual(Array.from({ length: count }, (_, index) => index + 1));
  expect(new Set(rows.map(({ command_id }) => command_id)).size).toBe(count);
}

describe.each([
  { ids: 'lower', from: () => high, to: () => low.connections },
  { ids: 'higher', from: () => low.connections, to: () => high },
])('a log restored from a dump into a cluster with $ids transaction ids', ({ from, to }) => {
  it('is sealed on, behind a mark: what had no seal, what came before the sealing, and what comes then', async () => {
    const log = await restoreInto(to(), await sealedLog(from(), { sealed: 5, unsealed: 3 }));
    await insertRecords(log.database, 2);
    expect(await seal(log)).toBe(5);
    expect(log.restored).toEqual([{ batch: 2, unsealed: 5 }]);

    await insertRecords(log.database, 4);
    await sealAll(log);
    await expectEachSealedOnce(log, 14);
    expect(log.restored).toHaveLength(1);
    const at = expect.stringMatching(/^\d{13}$/);
    expect(await verified(log)).toEqual({ records: 14, found: [], restores: [{ batch: 2, sequence: 5, at, unsealed: 5 }] });
  });
});

describe('a log restored into a cluster with lower transaction ids', () => {
  /** Counts on until the ids of the restored records are ids of the new cluster. */
  async function catchUp({ database }: Log): Promise<void> {
    const [row] = await database.query<{ newest: string }>(
      'select max(transaction_id)::text as newest from cqrs.command_log where position <= (select max(restored_position) from cqrs.command_seal_batch)',
    );
    await countTransactions(database, Math.max(0, Number(row?.newest) + 10 - (await nextTransaction(database))));
  }

  it('seals nothing twice when the new cluster comes to the ids of the old one', async () => {
    const log = await restoreInto(low.connections, await sealedLog(high, { sealed: 5, unsealed: 2 }));
    await sealAll(log);
    for (const count of [3, 2]) {
      await insertRecords(log.database, count);
      await sealAll(log);
      await catchUp(log);
    }
    await expectEachSealedOnce(log, 12);
    expect(await verified(log)).toMatchObject({ records: 12, found: [], restores: [{ unsealed: 2 }] });
  });

  it('has a mark of its own, though all was sealed by then, and one of each restore', async () => {
    const first = await restoreInto(low.connections, await sealedLog(high));
    expect(await seal(first)).toBe(0);
    expect(first.restored).toEqual([{ batch: 2, unsealed: 0 }]);
    expect(await seal(first)).toBe(0);
    expect(first.restored).toHaveLength(1);

    const second = await restoreInto(high, first);
    await insertRecords(second.database, 1);
    await sealAll(second);
    const third = await restoreInto(low.connections, second);
    await insertRecords(third.database, 2);
    await sealAll(third);
    await expectEachSealedOnce(third, 8);
    const { found, restores } = await verified(third);
    expect(found).toEqual([]);
    expect(restores.map(({ batch, sequence, unsealed }) => [batch, sequence, unsealed])).toEqual([
      [2, 5, 0],
      [3, 5, 1],
      [5, 6, 2],
    ]);
  });

  it('is sealed in batches of 250 behind the mark', async () => {
    const log = await restoreInto(low.connections, await sealedLog(high, { sealed: 1, unsealed: 600 }));
    expect(await seal(log)).toBe(600);
    await insertRecords(log.database, 1);
    await sealAll(log);
    const rows = await log.database.query('select first_sequence, last_sequence from cqrs.command_seal_batch order by number');
    expect(rows.map(({ first_sequence, last_sequence }) => [Number(first_sequence), Number(last_sequence)])).toEqual([
      [1, 1],
      [2, 1],
      [2, 251],
      [252, 501],
      [502, 601],
      [602, 602],
    ]);
    expect(await verified(log)).toMatchObject({ records: 602, found: [], restores: [{ unsealed: 600 }] });
  });

  it('waits for a command that is being recorded, for a moment, and does not forget it', async () => {
    const log = await restoreInto(low.connections, await sealedLog(high, { sealed: 2 }));
    const slow = new pg.Client(log.database.connections.writer);
    await slow.connect();
    await slow.query('begin');
    await insertRecords({ query: async (text, values = []) => (await slow.query(text, values)).rows }, 1);
    await insertRecords(log.database, 1);
    await expect(seal(log)).rejects.toMatchObject({ code: '55P03' });
    expect(log.restored).toEqual([]);

    await slow.query('commit');
    await slow.end();
    await sealAll(log);
    await expectEachSealedOnce(log, 4);
    expect(await verified(log)).toMatchObject({ records: 4, found: [], restores: [{ sequence: 2, unsealed: 2 }] });
  });

  it('seals what a transaction writes that was under way when the mark was made', async () => {
    const log = await restoreInto(low.connections, await sealedLog(high, { sealed: 2 }));
    const early = new pg.Client(log.database.connections.writer);
    await early.connect();
    await early.query('begin; select pg_current_xact_id()');
    expect(await seal(log)).toBe(0);
    await insertRecords({ query: async (text, values = []) => (await early.query(text, values)).rows }, 1);
    await insertRecords(log.database, 1);
    await early.query('commit');
    await early.end();
    await sealAll(log);
    await expectEachSealedOnce(log, 4);
    expect((await verified(log)).found).toEqual([]);
  });

  it('is marked once when many instances start at once', async () => {
    const log = await restoreInto(low.connections, await sealedLog(high, { sealed: 2, unsealed: 3 }));
    await Promise.all(Array.from({ length: 6 }, () => seal(log)));
    await sealAll(log);
    expect(log.restored).toHaveLength(1);
    await expectEachSealedOnce(log, 5);
    expect(await verified(log)).toMatchObject({ found: [], restores: [{ unsealed: 3 }] });
  });

  it('goes on behind what was there when the dump had no values of sequences', async () => {
    const log = await restoreInto(low.connections, await sealedLog(high, { sealed: 4 }), { withSequences: false });
    await sealAll(log);
    await insertRecords(log.database, 2);
    await sealAll(log);
    await expectEachSealedOnce(log, 6);
    expect((await verified(log)).found).toEqual([]);
  });

  it('lets months be pruned that came with the dump', async () => {
    const old = logOf(await createTestDatabase());
    const then = new Date(Date.UTC(2020, 0, 15));
    await old.database.query(`create table cqrs.command_log_2020_01 partition of cqrs.command_log
      for values from ('2020-01-01 00:00:00Z') to ('2020-02-01 00:00:00Z')`);
    await old.database.query(`alter table cqrs.command_log_2020_01 owner to ${high.owner.user}`);
    await insertRecords(old.database, 3, { receivedAt: then });
    await sealAll(old);
    const log = await restoreInto(low.connections, old);
    await sealAll(log);
    await insertRecords(log.database, 1);
    await sealAll(log);

    const pruned = await pruneLog((text, values) => log.database.query(text, [...values]), {
      before: new Date(Date.UTC(2020, 1, 1)),
      key,
      now: new Date(),
    });
    expect(pruned).toEqual({ months: ['2020-01'], records: 3 });
    expect(await verified(log)).toMatchObject({ records: 1, found: [], restores: [{ batch: 2 }] });
  });

  it('shows records that somebody added since: among those that were restored, and among the new ones', async () => {
    const log = await restoreInto(low.connections, await sealedLog(high, { sealed: 3, unsealed: 1 }));
    await insertRecords(log.database, 1);
    await sealAll(log);
    await insertRecords(log.database, 2);
    await sealAll(log);
    expect((await verified(log)).found).toEqual([]);

    const [added] = await insertRecords(log.database, 1);
    const { query } = log.database;
    await query('create table cqrs.added as select * from cqrs.command_log where command_id = $1', [added]);
    const place = async (transaction: string, position: string): Promise<void> => {
      await query('delete from cqrs.command_log where command_id = $1', [added]);
      await query(`update cqrs.added set transaction_id = (${transaction}), position = (${position})`);
      await query('insert into cqrs.command_log overriding system value select * from cqrs.added');
    };
    const newest = (column: string) => `select ${column} from cqrs.command_seal_batch order by number desc limit 1`;
    // With an id of the old cluster, which this one has not come to yet.
    await place(`'9000000'`, newest('restored_position'));
    expect(await verified(log)).toMatchObject({ records: 7, found: ['INSERTED of batch -'] });
    await place(`(select ((${newest('sealed_below')})::text::bigint - 1)::text::xid8)`, `(${newest('restored_position')}) + 1`);
    expect(await verified(log)).toMatchObject({ records: 7, found: ['INSERTED of batch -'] });
    await seal(log);
    expect((await verified(log)).found).toEqual(['INSERTED of batch -']);
  });

  it('shows what was removed and changed since, on both sides of the mark', async () => {
    const log = await restoreInto(low.connections, await sealedLog(high, { sealed: 3 }));
    await insertRecords(log.database, 2);
    await sealAll(log);
    await insertRecords(log.database, 2);
    await sealAll(log);
    await log.database.query(`delete from cqrs.command_log where position = 2`);
    await log.database.query(
      `update cqrs.command_log set reason = 'X' where position = (select max(position) from cqrs.command_log)`,
    );
    expect((await verified(log)).found).toEqual(['REMOVED of batch 1', 'CHANGED of batch 4']);
  });
});

describe('the mark of a restore', () => {
  async function restoredLog(): Promise<Log> {
    const log = await restoreInto(low.connections, await sealedLog(high, { sealed: 3, unsealed: 1 }));
    await sealAll(log);
    await insertRecords(log.database, 2);
    await sealAll(log);
    return log;
  }

  it('cannot be changed, taken away or passed off', async () => {
    const log = await restoredLog();
    const { query } = log.database;
    await query('create table kept as select * from cqrs.command_seal_batch');
    for (const assignment of [
      'restored_position = 1',
      'system_identifier = 1',
      'form = 5',
      `sealed_at = now() - interval '1 day'`,
    ]) {
      await query(`update cqrs.command_seal_batch set ${assignment} where number = 2`);
      const { found, restores } = await verified(log);
      expect(found).toContain('BATCH_BROKEN of batch 2');
      expect(restores).toEqual([]);
      await query('delete from cqrs.command_seal_batch where number = 2');
      await query('insert into cqrs.command_seal_batch select * from kept where number = 2');
    }
    expect((await verified(log)).found).toEqual([]);
    await query('delete from cqrs.command_seal_batch where number = 2');
    expect(await verified(log)).toMatchObject({ found: ['BATCH_BROKEN of batch 2'], restores: [] });
  });

  it('of a key that the service does not hold says nothing', async () => {
    const log = await restoredLog();
    const other = await testKey();
    const { found, restores } = await verified(log, ringOf(other));
    expect(new Set(found)).toEqual(new Set(['SIGNATURE_INVALID of batch 1']));
    expect(restores).toEqual([]);
  });

  it('that somebody makes with the password of the writer is damage, and hides no record from the seals', async () => {
    const log = await sealedLog(high, { sealed: 3 });
    const [hidden] = await insertRecords(log.database, 1);
    const forge = (cluster: string, position: string) =>
      log.pool.query(`select cqrs.append_seals(2, '{}', '{}', '{}', sha256(''),
        (select hash from cqrs.command_seal_batch), sha256('hash'), sha256('signature'), '${key.publicJwk.kid}', now(),
        pg_snapshot_xmin(pg_current_snapshot()), ${SEALED_FORM}, ${cluster}, ${position})`);
    const here = '(select system_identifier from pg_control_system())';
    // Not of another cluster, and not of records to come.
    await expect(forge('1', '1')).rejects.toMatchObject({ code: '22023' });
    await expect(forge(here, '1000000')).rejects.toMatchObject({ code: '22023' });
    await forge(here, '(select max(position) from cqrs.command_log)');

    await eventually(async () => {
      await seal(log);
      expect((await seals(log)).map(({ command_id }) => command_id)).toContain(hidden);
    });
    expect(log.restored).toEqual([]);
    expect(await verified(log)).toMatchObject({ records: 4, found: ['BATCH_BROKEN of batch 2'], restores: [] });
  });

  it('is not made for what stands in a batch of an earlier form, where nobody has signed it', async () => {
    const log = await sealedLog(high, { sealed: 0 });
    const first = await restoreLog(log.database, new URL('./fixtures/sealed-by-0.1.json', import.meta.url));
    await withEarlierForms(log.database, async () => {
      await log.database.query('update cqrs.command_seal_batch set system_identifier = 1, restored_position = 1000000');
    });
    await insertRecords(log.database, 1);
    await eventually(async () => {
      await sealRound({
        pool: log.pool,
        key,
        keys: new Map([...first, ...ringOf(key)]),
        now: Date.now,
        onRestore: (mark) => log.restored.push(mark),
      });
      expect(await log.database.query(UNSEALED)).toEqual([]);
    });
    expect(log.restored).toEqual([]);
  });
});

it('a log whose batches do not say yet where they were sealed is sealed on when the ids began anew', async () => {
  const log = await sealedLog(high, { sealed: 2, unsealed: 1 });
  const [row] = (await log.pool.query<BatchRow>(NEWEST_BATCH)).rows;
  if (!row) throw new Error('there is a batch');
  const far = { ...toBatch(row), sealedBelow: '9000000000000', form: 3 };
  const hash = batchHash(far);
  await withEarlierForms(log.database, async () => {
    await log.database.query(
      'update cqrs.command_seal_batch set sealed_below = $1, form = 3, system_identifier = null, restored_position = null, hash = $2, signature = $3',
      [far.sealedBelow, hash, signed(hash, key).signature],
    );
  });
  await sealAll(log);
  expect(log.restored).toEqual([{ batch: 2, unsealed: 1 }]);
  await insertRecords(log.database, 1);
  await sealAll(log);
  await expectEachSealedOnce(log, 4);
  expect(await verified(log)).toMatchObject({ records: 4, restores: [{ batch: 2, sequence: 2, unsealed: 1 }] });
});

it('a copy by dump in the same cluster has no mark: the ids go on', async () => {
  const log = await restoreInto(high, await sealedLog(high, { sealed: 2, unsealed: 2 }));
  await insertRecords(log.database, 1);
  await sealAll(log);
  expect(log.restored).toEqual([]);
  await expectEachSealedOnce(log, 5);
  expect(await verified(log)).toMatchObject({ records: 5, found: [], restores: [] });
});

it('the sealer says once in the log that it goes on in another cluster', async () => {
  const log = await restoreInto(low.connections, await sealedLog(high, { sealed: 2, unsealed: 2 }));
  const logged: unknown[] = [];
  const line = (...parts: unknown[]) => void logged.push(parts);
  const sealer = startSealer({ pool: log.pool, key, logger: { error: line, warn: line, info: line }, intervalMs: 5 });
  try {
    await insertRecords(log.database, 1);
    await eventually(async () => expect(await seals(log)).toHaveLength(5));
    await insertRecords(log.database, 1);
    await eventually(async () => expect(await seals(log)).toHaveLength(6));
  } finally {
    await sealer.stop();
  }
  expect(logged).toEqual([
    [
      { batch: 2, unsealed: expect.any(Number) },
      expect.stringMatching(/^the command log was restored into another cluster; sealing goes on here/),
    ],
  ]);
});
