import { readdir, rename, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { EmbeddedCluster } from '../../src/embedded-postgres/embedded-cluster.ts';
import { run } from '../../src/embedded-postgres/operating-system-user.ts';
import { temporaryDataDir } from '../support/temporary-data-dir.ts';
import { ask, startForTest, until } from './cluster-harness.ts';

describe('the replica of the embedded cluster', () => {
  it('catches up after it was stopped, while the primary serves', async () => {
    await using dataDir = temporaryDataDir();
    await using cluster = await startForTest({ dataDir: dataDir.path });
    await cluster.replica?.stop();
    await ask(cluster.connections.owner, 'create table t as select generate_series(1, 1000) as n');
    await expect(ask(replicaOf(cluster), 'select 1')).rejects.toThrow();
    await cluster.replica?.start();
    expect(await ask(replicaOf(cluster), 'select count(*)::int from t')).toEqual([{ count: 1000 }]);
  });

  it('is made again, without stopping the primary, when it fell behind the limit', async () => {
    await using dataDir = temporaryDataDir();
    const faults: unknown[] = [];
    const settings = { max_slot_wal_keep_size: '16MB', min_wal_size: '32MB', max_wal_size: '32MB' };
    await using cluster = await startForTest({ dataDir: dataDir.path, settings, logger: loggerOf(faults) });
    const { owner, superuser } = cluster.connections;
    const primary = await cluster.primary.pid();
    await ask(owner, 'create table t (n int)');
    await cluster.replica?.stop();
    for (let segment = 0; segment < 5; segment++) {
      await ask(owner, `insert into t values (${segment})`);
      await ask(superuser, 'select pg_switch_wal()');
      await ask(superuser, 'checkpoint');
    }
    expect(await ask(superuser, 'select wal_status from pg_replication_slots')).toEqual([{ wal_status: 'lost' }]);
    await cluster.replica?.start();
    expect(await ask(replicaOf(cluster), 'select count(*)::int from t')).toEqual([{ count: 5 }]);
    expect(faults).toEqual([{ fault: 'it fell too far behind' }]);
    expect(await cluster.primary.pid()).toBe(primary);
  });

  it('is made whole while the primary is written to', async () => {
    await using dataDir = temporaryDataDir();
    await using cluster = await startForTest({ dataDir: dataDir.path });
    const { owner } = cluster.connections;
    await ask(
      owner,
      `create table t (n int, padding text); insert into t select n, repeat('x', 500) from generate_series(1, 20000) n`,
    );
    await cluster.replica?.stop();
    await rm(join(dataDir.path, 'postgres', 'replica'), { recursive: true });
    let ready = false;
    let writes = 0;
    const writing = (async () => {
      while (!ready) {
        await ask(owner, `update t set n = n + 1, padding = repeat('y', 400) where n % 10 = ${writes % 10}`);
        writes += 1;
      }
    })();
    try {
      await cluster.replica?.start();
    } finally {
      ready = true;
      await writing;
    }
    expect(writes).toBeGreaterThan(1);
    const digest = `select count(*)::int, sum(n)::int, md5(string_agg(n || padding, ',' order by ctid)) from t`;
    const [wanted] = await ask(owner, digest);
    await until(
      'the replica is the same',
      async () => JSON.stringify((await ask(replicaOf(cluster), digest))[0]) === JSON.stringify(wanted),
    );
  });

  it('is made again at the start when its files are broken, half made or of another primary', async () => {
    await using dataDir = temporaryDataDir();
    await using other = temporaryDataDir();
    const [home, otherHome] = [join(dataDir.path, 'postgres'), join(other.path, 'postgres')];
    for (const { path } of [dataDir, other]) {
      await using cluster = await startForTest({ dataDir: path });
      await ask(cluster.connections.owner, `create table t as select '${path}' as place`);
    }
    const damages: readonly (readonly [unknown, () => Promise<void>])[] = [
      [expect.anything(), () => truncate(join(home, 'replica', 'global', 'pg_control'), 100)],
      [
        'it is a copy of another primary',
        async () => {
          await rm(join(home, 'replica'), { recursive: true });
          await rename(join(otherHome, 'replica'), join(home, 'replica'));
        },
      ],
      [undefined, () => rename(join(home, 'replica'), join(home, 'replica.unfinished-abc'))],
      [expect.stringContaining('the replica did not start'), () => rm(join(home, 'replica', 'global', 'pg_filenode.map'))],
    ];
    for (const [fault, damage] of damages) {
      await damage();
      const faults: unknown[] = [];
      await using cluster = await startForTest({ dataDir: dataDir.path, logger: loggerOf(faults) });
      expect(await ask(replicaOf(cluster), 'select place from t')).toEqual([{ place: dataDir.path }]);
      expect({ faults }).toEqual({ faults: fault === undefined ? [] : [{ fault }] });
      expect((await readdir(home)).filter((name) => name.includes('unfinished'))).toEqual([]);
    }
  });

  it('is made again when the primary was put back to an earlier state', async () => {
    await using dataDir = temporaryDataDir();
    const home = join(dataDir.path, 'postgres');
    {
      await using _cluster = await startForTest({ dataDir: dataDir.path });
    }
    await run('cp', ['-Rp', join(home, 'primary'), join(home, 'earlier')], undefined);
    {
      await using cluster = await startForTest({ dataDir: dataDir.path });
      await ask(cluster.connections.owner, 'create table gone as select generate_series(1, 10000)');
    }
    await rm(join(home, 'primary'), { recursive: true });
    await rename(join(home, 'earlier'), join(home, 'primary'));
    const faults: unknown[] = [];
    await using cluster = await startForTest({ dataDir: dataDir.path, logger: loggerOf(faults) });
    expect(faults).toEqual([{ fault: 'it is ahead of its primary' }]);
    expect(await ask(replicaOf(cluster), `select to_regclass('gone') as gone`)).toEqual([{ gone: null }]);
  });

  it('goes on answering, and comes back by itself after a crash, while the primary is down', async () => {
    await using dataDir = temporaryDataDir();
    await using cluster = await startForTest({ dataDir: dataDir.path });
    await ask(cluster.connections.owner, 'create table t as select 1 as n');
    await until('the row is on the replica', async () => (await ask(replicaOf(cluster), 'select n from t')).length === 1);
    await cluster.primary.stop();
    const crashed = Number(await cluster.replica?.pid());
    process.kill(crashed, 'SIGKILL');
    await until(
      'it runs again',
      async () => (await ask(replicaOf(cluster), 'select n from t')).length === 1 && crashed !== (await cluster.replica?.pid()),
    );
    await cluster.primary.start();
    await ask(cluster.connections.owner, 'insert into t values (2)');
    await until('it streams again', async () => (await ask(replicaOf(cluster), 'select n from t')).length === 2);
  });
});

function replicaOf({ connections }: Pick<EmbeddedCluster, 'connections'>) {
  const [replica] = connections.replicas;
  if (!replica) throw new Error('there is no replica');
  return { ...replica, user: 'postgres' };
}

function loggerOf(warnings: unknown[]) {
  return { info: () => {}, warn: (fields: object) => warnings.push(fields), error: () => {} };
}
