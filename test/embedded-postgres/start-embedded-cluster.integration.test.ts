import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { temporaryDataDir } from '../support/temporary-data-dir.ts';
import { ask, isAlive, startForTest, until } from './cluster-harness.ts';

describe('startEmbeddedCluster', () => {
  it('gives a primary and a replica that streams, with the three roles', async () => {
    await using dataDir = temporaryDataDir();
    const steps: string[] = [];
    await using cluster = await startForTest({ dataDir: dataDir.path, onProgress: (step) => steps.push(step) });
    const { owner, writer, reader, replicas, superuser } = cluster.connections;
    const [replica] = replicas;
    if (!replica) throw new Error('there is no replica');

    await ask(
      owner,
      `create schema s; create table s.t (id int); grant usage on schema s to public;
      grant insert, select on s.t to bicameral_writer; grant select, insert on s.t to bicameral_reader`,
    );
    await ask(writer, 'insert into s.t values (42)');
    await until('the row is on the replica', async () => (await ask(replica, 'select * from s.t')).length === 1);

    await expect(ask(reader, 'insert into s.t values (1)')).rejects.toMatchObject({ code: '25006' });
    await expect(ask({ ...replica, user: 'postgres' }, 'insert into s.t values (1)')).rejects.toMatchObject({ code: '25006' });
    await expect(ask(writer, 'create table x (id int)')).rejects.toMatchObject({ code: '42501' });
    expect(
      await ask(
        superuser,
        `select datcollate, datlocale, pg_encoding_to_char(encoding) as encoding, current_setting('data_checksums') as checksums,
        current_setting('listen_addresses') as addresses, current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit
        from pg_database where datname = 'bicameral'`,
      ),
    ).toEqual([
      { datcollate: 'C', datlocale: 'C.UTF-8', encoding: 'UTF8', checksums: 'on', addresses: '', fsync: 'off', commit: 'on' },
    ]);
    expect(steps).toEqual([
      'creating the primary',
      'starting the primary',
      'copying the primary to make the replica',
      'starting the replica',
    ]);
  });

  it('lets nobody else in: the directories of data and of sockets are closed to others', async () => {
    await using dataDir = temporaryDataDir();
    await using cluster = await startForTest({ dataDir: dataDir.path, replica: false });
    for (const directory of [cluster.connections.writer.host, cluster.primary.folder, join(dataDir.path, 'postgres')]) {
      expect((await stat(directory)).mode & 0o777).toBe(0o700);
    }
    expect((await stat(dataDir.path)).mode & 0o007).toBe(0);
    expect(cluster.connections.replicas).toEqual([]);
    expect(await ask(cluster.connections.superuser, 'select from pg_replication_slots')).toEqual([]);
  });

  it('tells its log of an error, and nothing of what was stored or sent', async () => {
    await using dataDir = temporaryDataDir();
    await using cluster = await startForTest({ dataDir: dataDir.path, replica: false });
    await ask(cluster.connections.owner, `create table t (email text unique)`);
    const twice = `insert into t values ('ada@example.org'), ('ada@example.org')`;
    await expect(ask(cluster.connections.owner, twice)).rejects.toMatchObject({
      code: '23505',
      detail: expect.stringMatching('ada@'),
    });
    const log = join(dataDir.path, 'postgres', 'primary.log');
    await until('the error is in the log', async () => (await readFile(log, 'utf8')).includes('duplicate key'));
    expect(await readFile(log, 'utf8')).not.toMatch('ada@');
  });

  it('stops both servers, the replica with all that was committed, which is enough to go on from', async () => {
    await using dataDir = temporaryDataDir();
    const home = join(dataDir.path, 'postgres');
    {
      await using cluster = await startForTest({ dataDir: dataDir.path });
      const [reading] = cluster.connections.replicas;
      if (!reading) throw new Error('there is no replica');
      const [receiver] = await ask<{ pid: number }>({ ...reading, user: 'postgres' }, 'select pid from pg_stat_wal_receiver');
      if (!receiver) throw new Error('the replica receives nothing');
      process.kill(receiver.pid, 'SIGSTOP');
      setTimeout(() => process.kill(receiver.pid, 'SIGCONT'), 500);
      await ask(cluster.connections.owner, 'create table t as select generate_series(1, 10000) as n');
      const pids = [await cluster.primary.pid(), await cluster.replica?.pid()];
      await cluster.stop();
      expect(pids.map((pid) => pid && isAlive(pid))).toEqual([false, false]);
    }
    expect(await readdir(join(home, 'sockets'))).toEqual([]);

    await rm(join(home, 'primary'), { recursive: true });
    await expect(startForTest({ dataDir: dataDir.path })).rejects.toMatchObject({ name: 'PrimaryMissing' });
    await rename(join(home, 'replica'), join(home, 'primary'));
    await rm(join(home, 'primary', 'standby.signal'));
    await using cluster = await startForTest({ dataDir: dataDir.path });
    expect(await ask(cluster.connections.owner, 'select count(*)::int from t')).toEqual([{ count: 10000 }]);
  });

  it('goes on with the data after the directory was moved', async () => {
    await using before = temporaryDataDir();
    await using after = temporaryDataDir();
    {
      await using cluster = await startForTest({ dataDir: before.path });
      await ask(cluster.connections.owner, 'create table t as select 7 as n');
    }
    await rename(before.path, after.path);
    const warnings: string[] = [];
    const logger = { info: () => {}, warn: (_: object, message: string) => warnings.push(message), error: () => {} };
    await using cluster = await startForTest({ dataDir: after.path, logger });
    for (const connection of [cluster.connections.owner, ...cluster.connections.replicas]) {
      expect(await ask({ ...connection, user: 'postgres' }, 'select n from t')).toEqual([{ n: 7 }]);
    }
    expect(warnings).toEqual([]);
  });

  it('works where the path is too long for a socket and needs quoting', async () => {
    const below = join(tmpdir(), `it's, "quoted" ${'long'.repeat(20)} ${process.pid}`);
    await mkdir(below, { mode: 0o755 });
    try {
      await using dataDir = temporaryDataDir(below);
      const cluster = await startForTest({ dataDir: dataDir.path });
      const { host } = cluster.connections.writer;
      expect((await stat(host)).mode & 0o777).toBe(0o700);
      expect(await ask(cluster.connections.writer, 'select 1 as one')).toEqual([{ one: 1 }]);
      await cluster.stop();
      expect(existsSync(host)).toBe(false);
    } finally {
      await rm(below, { recursive: true });
    }
  });

  it('works in a short path that needs quoting', async () => {
    const below = join(tmpdir(), `a "b' ${process.pid % 1000}`);
    await mkdir(below, { mode: 0o755 });
    try {
      const dataDir = join(below, "d'");
      await using cluster = await startForTest({ dataDir });
      expect(cluster.connections.writer.host).toContain(dataDir);
    } finally {
      await rm(below, { recursive: true });
    }
  });

  it('refuses a directory that another program uses, and takes it once that has stopped', async () => {
    await using dataDir = temporaryDataDir();
    {
      await using _first = await startForTest({ dataDir: dataDir.path, replica: false });
      const second = startForTest({ dataDir: dataDir.path, replica: false });
      await expect(second).rejects.toMatchObject({ name: 'DataDirInUse', dataDir: dataDir.path, holderPid: process.pid });
    }
    await using _third = await startForTest({ dataDir: dataDir.path, replica: false });
  });

  it('refuses data of another major version, naming both', async () => {
    await using dataDir = temporaryDataDir();
    const folder = join(dataDir.path, 'postgres', 'primary');
    {
      await using _cluster = await startForTest({ dataDir: dataDir.path, replica: false });
    }
    await writeFile(join(folder, 'PG_VERSION'), '17\n');
    await expect(startForTest({ dataDir: dataDir.path })).rejects.toThrow(
      `${folder} was made by PostgreSQL 17, and the installed PostgreSQL is 18`,
    );
  });

  it('says the last lines of the log when a server does not start, and leaves nothing running or locked', async () => {
    await using dataDir = temporaryDataDir();
    const settings = { shared_buffers: 'nonsense' };
    await expect(startForTest({ dataDir: dataDir.path, settings })).rejects.toThrow(
      /primary did not start.*primary\.log(.|\n)*shared_buffers/,
    );
    await using cluster = await startForTest({ dataDir: dataDir.path, replica: false });
    expect(await cluster.primary.pid()).toBeDefined();
  });
});
