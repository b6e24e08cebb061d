import { open, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { EmbeddedCluster } from '../../src/embedded-postgres/embedded-cluster.ts';
import { temporaryDataDir } from '../support/temporary-data-dir.ts';
import { ask, startForTest, until } from './cluster-harness.ts';

type Cluster = Awaited<ReturnType<typeof startForTest>>;

function replicaOf({ connections }: Pick<EmbeddedCluster, 'connections'>) {
  const [replica] = connections.replicas;
  if (!replica) throw new Error('there is no replica');
  return { ...replica, user: 'postgres' };
}

const folderOf = ({ replica }: Cluster): string => replica?.folder ?? '';
const ROW = 'select n from t where n > 100000';

/** Resolves once a row that is written now is read from a replica that is one. */
async function followsAgain(cluster: Cluster): Promise<void> {
  await ask(cluster.connections.owner, 'insert into t values (100001)');
  await until('the replica follows again', async () => {
    const [state] = await ask<{ standby: boolean }>(replicaOf(cluster), 'select pg_is_in_recovery() as standby');
    return state?.standby === true && (await ask(replicaOf(cluster), ROW)).length === 1;
  });
}

describe('a replica that is none any more, while the program runs,', () => {
  it.each<[string, string, (cluster: Cluster) => Promise<unknown>]>([
    ['was promoted by hand', 'it was promoted', (cluster) => ask(replicaOf(cluster), 'select pg_promote()')],
    ['lost its folder', 'its folder is gone', (cluster) => rm(folderOf(cluster), { recursive: true })],
    [
      'lost its slot',
      'its slot is gone',
      async (cluster) => {
        const { superuser } = cluster.connections;
        // The receiver comes back at once, and takes the slot again.
        await until('the slot is gone', async () => {
          await ask(superuser, 'select pg_terminate_backend(active_pid) from pg_replication_slots where active');
          await ask(superuser, 'select pg_drop_replication_slot(slot_name) from pg_replication_slots');
          return (await ask(superuser, 'select from pg_replication_slots')).length === 0;
        });
      },
    ],
    [
      'has a damaged page that was read',
      'a page of it is damaged',
      async (cluster) => {
        // Of a page whose last change is behind a checkpoint no copy is in the WAL that is replayed.
        await ask(cluster.connections.superuser, 'checkpoint');
        const [end] = await ask<{ lsn: string }>(cluster.connections.superuser, 'select pg_current_wal_lsn()::text as lsn');
        await until('the checkpoint is there', async () => {
          const [state] = await ask<{ there: boolean }>(
            replicaOf(cluster),
            `select pg_last_wal_replay_lsn() >= '${end?.lsn}' as there`,
          );
          return state?.there === true;
        });
        await ask(replicaOf(cluster), 'checkpoint');
        const [file] = await ask<{ path: string }>(replicaOf(cluster), `select pg_relation_filepath('t') as path`);
        await cluster.replica?.stop();
        const handle = await open(join(folderOf(cluster), file?.path ?? ''), 'r+');
        await handle.write(Buffer.alloc(500, 0x55), 0, 500, 4000);
        await handle.close();
        await cluster.replica?.start();
        await expect(ask(replicaOf(cluster), 'select count(*) from t')).rejects.toMatchObject({ code: 'XX001' });
      },
    ],
  ])('because it %s, is made again', async (_, fault, damage) => {
    await using dataDir = temporaryDataDir();
    const warnings: { fault?: string }[] = [];
    const logger = { info: () => {}, warn: (fields: object) => warnings.push(fields), error: () => {} };
    const settings = { max_slot_wal_keep_size: '16MB', min_wal_size: '32MB', max_wal_size: '32MB' };
    await using cluster = await startForTest({ dataDir: dataDir.path, settings, logger });
    await ask(cluster.connections.owner, 'create table t as select generate_series(1, 1000) as n');
    await until('the replica follows', async () => (await ask(replicaOf(cluster), 'select from t limit 1')).length === 1);
    const primary = await cluster.primary.pid();
    await damage(cluster);
    await followsAgain(cluster);
    expect(warnings.map((warning) => warning.fault).filter(Boolean)).toEqual([fault]);
    expect(await cluster.primary.pid()).toBe(primary);
    expect(await ask(cluster.connections.superuser, 'select count(*)::int, bool_and(active) from pg_replication_slots')).toEqual([
      { count: 1, bool_and: true },
    ]);
  });
});

describe('a replica that was promoted while nothing watched it', () => {
  it('is made again at the start', async () => {
    await using dataDir = temporaryDataDir();
    {
      await using cluster = await startForTest({ dataDir: dataDir.path });
      await ask(cluster.connections.owner, 'create table t (n int)');
      await rm(join(folderOf(cluster), 'standby.signal'));
    }
    await using cluster = await startForTest({ dataDir: dataDir.path });
    await followsAgain(cluster);
  });
});

describe('a postmaster.pid that a power cut left', () => {
  it.each<[string, (file: string) => Promise<void>]>([
    ['empty', (file) => truncate(file, 0)],
    ['garbled', (file) => writeFile(file, Buffer.alloc(200))],
    ['with half a number', (file) => writeFile(file, '12\u0000\u0001')],
  ])('%s does not keep the servers from starting', async (_, damage) => {
    await using dataDir = temporaryDataDir();
    let folders: string[] = [];
    {
      await using cluster = await startForTest({ dataDir: dataDir.path });
      folders = [cluster.primary.folder, folderOf(cluster)];
    }
    for (const folder of folders) {
      await writeFile(join(folder, 'postmaster.pid'), '1');
      await damage(join(folder, 'postmaster.pid'));
      expect((await stat(join(folder, 'postmaster.pid'))).isFile()).toBe(true);
    }
    await using cluster = await startForTest({ dataDir: dataDir.path });
    expect(await ask(replicaOf(cluster), 'select pg_is_in_recovery() as standby')).toEqual([{ standby: true }]);
  });
});
