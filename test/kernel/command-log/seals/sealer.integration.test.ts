import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { SigningKey } from '../../../../src/kernel/auth/signing-key.ts';
import { SEALED_FORM } from '../../../../src/kernel/command-log/seals/canonical-record.ts';
import { sealRound } from '../../../../src/kernel/command-log/seals/seal-round.ts';
import { type Sealer, startSealer } from '../../../../src/kernel/command-log/seals/sealer.ts';
import type { Finding } from '../../../../src/kernel/command-log/seals/verify/finding.ts';
import { verifyLog } from '../../../../src/kernel/command-log/seals/verify/verify-log.ts';
import type { DistrustedBatch } from '../../../../src/kernel/command-log/seals/where-to-go-on.ts';
import { type ConnectionPool, createPool } from '../../../../src/kernel/database/pool.ts';
import { insertRecords, ringOf, sealRecords, testKey } from '../../../support/command-log.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';

describe('sealer', () => {
  let database: TestDatabase;
  let pool: ConnectionPool;
  let key: SigningKey;
  beforeEach(async () => {
    database = await createTestDatabase();
    pool = createPool(database.connections.writer, { name: 'sealer', max: 3, readOnly: false });
    key = await testKey();
  });
  afterEach(async () => {
    await pool.close();
    await database.drop();
  });

  const seal = (): Promise<number> => sealRound({ pool, key, now: Date.now });
  const sealAll = (count: number): Promise<void> => sealRecords({ pool, key }, count);
  /** What another test has under way with an id between those of two records would have them sealed in two cuts. */
  const allEnded = (): Promise<void> =>
    eventually(async () => {
      const [row] = await database.query<{ ended: boolean }>(
        'select pg_snapshot_xmin(pg_current_snapshot()) > max(transaction_id) as ended from cqrs.command_log',
      );
      expect(row?.ended).toBe(true);
    });
  const seals = () =>
    database.query<{ sequence: string; command_id: string }>('select * from cqrs.command_seal order by sequence');
  const batches = () => database.query('select * from cqrs.command_seal_batch order by number');

  it('numbers records from 1 without gaps, in the order in which they were written', async () => {
    const ids = await insertRecords(database, 5);
    await sealAll(5);
    ids.push(...(await insertRecords(database, 2)));
    await sealAll(2);
    expect(await seal()).toBe(0);

    const numbered = (await seals()).map(({ sequence, command_id }) => [Number(sequence), command_id]);
    expect(numbered).toEqual(ids.map((id, index) => [index + 1, id]));
    expect(await batches()).toMatchObject([
      { number: '1', first_sequence: '1', last_sequence: '5' },
      { number: '2', first_sequence: '6', last_sequence: '7' },
    ]);
  });

  it('puts the record of a command that waited behind that of the one it waited for, though it began first', async () => {
    const [early, late] = [new pg.Client(database.connections.writer), new pg.Client(database.connections.writer)];
    await Promise.all([early.connect(), late.connect()]);
    await early.query('begin; select pg_current_xact_id()');
    await late.query('begin');
    const [before] = await insertRecords(asDatabase(late), 1);
    await late.query('commit');
    const [behind] = await insertRecords(asDatabase(early), 1);
    await early.query('commit');
    await Promise.all([early.end(), late.end()]);

    await allEnded();
    await sealAll(2);
    expect((await seals()).map(({ command_id }) => command_id)).toEqual([before, behind]);
  });

  it('waits for a transaction that is still under way, and does not forget it', async () => {
    const slow = new pg.Client(database.connections.writer);
    await slow.connect();
    await slow.query('begin');
    const [slowId] = await insertRecords(asDatabase(slow), 1);
    const [fastId] = await insertRecords(database, 1);
    expect(await seal()).toBe(0);

    await slow.query('commit');
    await slow.end();
    await sealAll(2);
    expect((await seals()).map(({ command_id }) => command_id)).toEqual([slowId, fastId]);
  });

  it('makes batches of 250, of which the last one says up to where everything is sealed', async () => {
    await insertRecords(database, 600);
    await sealAll(600);

    const rows = await batches();
    expect(rows.map(({ first_sequence, last_sequence }) => [Number(first_sequence), Number(last_sequence)])).toEqual([
      [1, 250],
      [251, 500],
      [501, 600],
    ]);
    expect(rows.map(({ sealed_below }) => sealed_below === '0')).toEqual([true, true, false]);
  });

  it('seals each record once when many seal at once', async () => {
    await insertRecords(database, 50);
    await Promise.all(Array.from({ length: 6 }, seal));
    await eventually(async () => {
      await seal();
      expect((await seals()).map(({ sequence }) => Number(sequence))).toEqual(
        Array.from({ length: 50 }, (_, index) => index + 1),
      );
    });
  });

  it('gives the same digest whatever the settings of the session', async () => {
    await insertRecords(database, 1);
    const digestIn = async (options: string): Promise<unknown> => {
      const odd = createPool({ ...database.connections.writer, options }, { name: 'odd', max: 1, readOnly: false });
      await sealRecords({ pool: odd, key }, 1);
      await odd.close();
      const [row] = await database.query('select digest from cqrs.command_seal');
      await database.query('truncate cqrs.command_seal, cqrs.command_seal_batch');
      return row?.digest;
    };
    const odd = '-c timezone=Asia/Kathmandu -c datestyle=SQL,DMY -c bytea_output=escape -c intervalstyle=iso_8601';
    expect(await digestIn(odd)).toEqual(await digestIn('-c timezone=UTC'));
  });

  describe('after somebody with the password of the writer has written seals', () => {
    /** What the function lets the writer do: a batch behind the newest one, with a signature that is none. */
    const forge = (client: Pick<pg.Pool, 'query'>, ids: readonly string[], { number = 2 } = {}) =>
      client.query(
        `select cqrs.append_seals($1, $2::uuid[], array(select received_at from cqrs.command_log where command_id = any ($2::uuid[])),
           array(select sha256('forged') from unnest($2::uuid[])), sha256('root'),
           (select hash from cqrs.command_seal_batch order by number desc limit 1), sha256('hash'), sha256('signature'), 'forged', now(),
           pg_snapshot_xmin(pg_current_snapshot()), ${SEALED_FORM}, (select system_identifier from pg_control_system()), 0)`,
        [number, ids],
      );

    it('seals what they left out, behind them, and says so loudly', async () => {
      await insertRecords(database, 3);
      await sealAll(3);
      const [covered = '', ...leftOut] = await insertRecords(database, 4);
      await forge(pool, [covered]);
      const problems: DistrustedBatch[] = [];
      const round = () => sealRound({ pool, key, now: Date.now, onDistrust: (problem) => problems.push(problem) });
      await eventually(async () => expect((await round()) + (await round())).toBe(3));
      expect(problems[0]).toMatchObject({ batch: 2, problem: expect.stringMatching(/hash|key/) });
      expect((await seals()).map(({ command_id }) => command_id)).toEqual(expect.arrayContaining(leftOut));

      await insertRecords(database, 2);
      await sealAll(2);
      const findings: Finding[] = [];
      for await (const event of verifyLog({ pool, keys: ringOf(key) }))
        if (event.kind === 'finding') findings.push(event.finding);
      expect([...new Set(findings.map(({ batch }) => batch))]).toEqual([2]);
    });

    it('lets nobody seal what has not happened yet, skip a number, or put in a seal alone', async () => {
      await insertRecords(database, 1);
      await sealAll(1);
      const [id = ''] = await insertRecords(database, 1);
      await expect(forge(pool, [id], { number: 9_000 })).rejects.toMatchObject({ code: '40001' });
      const ahead = `select cqrs.append_seals(2, array[$1]::uuid[], array[now()], array[sha256('')], sha256(''),
        (select hash from cqrs.command_seal_batch), sha256(''), sha256(''), '', now(), '9000000000000', 2,
        (select system_identifier from pg_control_system()), 0)`;
      await expect(pool.query(ahead, [id])).rejects.toMatchObject({ code: '22023' });
      for (const table of ['command_seal', 'command_seal_batch']) {
        await expect(pool.query(`insert into cqrs.${table} select * from cqrs.${table}`)).rejects.toMatchObject({
          code: '42501',
        });
      }
      await sealAll(1);
    });
  });

  describe('in the background', () => {
    let sealer: Sealer | undefined;
    let logged: string[];
    beforeEach(() => {
      logged = [];
    });
    afterEach(() => sealer?.stop());

    function start(source: pg.Pool = pool): void {
      const log = (_: unknown, message?: string) => void logged.push(message ?? String(_));
      sealer = startSealer({ pool: source, key, logger: { error: log, warn: log, info: log }, intervalMs: 5 });
    }

    it('seals what comes', async () => {
      start();
      await insertRecords(database, 3);
      await eventually(async () => expect(await seals()).toHaveLength(3));
      await insertRecords(database, 2);
      await eventually(async () => expect(await seals()).toHaveLength(5));
      expect(logged).toEqual([]);
    });

    it('goes on when the database is back, and logs an outage once', async () => {
      let isAway = true;
      let attempts = 0;
      const connect = async () => {
        attempts += 1;
        if (isAway) throw new Error('connect ECONNREFUSED');
        return await pool.connect();
      };
      start({ connect } as pg.Pool);
      await insertRecords(database, 1);
      await eventually(() => expect(attempts).toBeGreaterThan(3));
      isAway = false;

      await eventually(async () => expect(await seals()).toHaveLength(1));
      await eventually(() =>
        expect(logged).toEqual(['the command log cannot be sealed; trying again', 'the command log is sealed again']),
      );
    });

    it('survives that its connections are cut', async () => {
      start();
      for (let round = 1; round <= 5; round += 1) {
        await database.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'bicameral sealer'
          and datname = current_database()`);
        await insertRecords(database, 1);
        await eventually(async () => expect(await seals()).toHaveLength(round));
      }
    });

    it('does nothing any more once it is stopped', async () => {
      start();
      await sealer?.stop();
      await insertRecords(database, 1);
      expect(await sealer?.sealNow()).toBe(0);
      expect(await seals()).toEqual([]);
    });
  });
});

function asDatabase(client: pg.Client): Pick<TestDatabase, 'query'> {
  return { query: async (text, values = []) => (await client.query(text, values)).rows };
}
