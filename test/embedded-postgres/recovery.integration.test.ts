import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { temporaryDataDir } from '../support/temporary-data-dir.ts';
import { ask, type ClusterProgram, isAlive, runClusterProgram, startForTest, until } from './cluster-harness.ts';

describe('recovery of the embedded cluster', () => {
  it('ends the servers with a program that is killed, and loses no acknowledged row', async () => {
    await using dataDir = temporaryDataDir();
    await using program = await runClusterProgram(dataDir.path);
    program.child.kill('SIGKILL');
    await once(program.child, 'close');
    await until('both servers have ended', () => !program.servers.some(isAlive));
    await expectAcknowledged(dataDir.path, program);
  });

  it('starts at once after a program was killed, while its servers still run', async () => {
    await using dataDir = temporaryDataDir();
    await using program = await runClusterProgram(dataDir.path);
    // Stopped servers cannot end by themselves: what is found is a live server of this folder.
    for (const pid of program.servers) process.kill(pid, 'SIGSTOP');
    program.child.kill('SIGKILL');
    await once(program.child, 'close');
    const starting = expectAcknowledged(dataDir.path, program);
    setTimeout(() => {
      for (const pid of program.servers) process.kill(pid, 'SIGCONT');
    }, 300);
    await starting;
  });

  it('recovers when program and servers are killed together', async () => {
    await using dataDir = temporaryDataDir();
    await using program = await runClusterProgram(dataDir.path);
    for (const pid of program.servers) process.kill(pid, 'SIGKILL');
    program.child.kill('SIGKILL');
    await once(program.child, 'close');
    await expectAcknowledged(dataDir.path, program);
  });

  it('names the program that holds the directory', async () => {
    await using dataDir = temporaryDataDir();
    await using program = await runClusterProgram(dataDir.path);
    const second = startForTest({ dataDir: dataDir.path });
    await expect(second).rejects.toThrow(`DATA_DIR ${dataDir.path} is in use by another program (pid ${program.child.pid})`);
  });

  it('starts when lock files name a process that is somebody else by now, and leaves that process alone', async () => {
    await using dataDir = temporaryDataDir();
    const folders: string[] = [];
    let sockets = '';
    {
      await using cluster = await startForTest({ dataDir: dataDir.path });
      if (cluster.replica) folders.push(cluster.primary.folder, cluster.replica.folder);
      sockets = cluster.connections.writer.host;
    }
    const { uid, gid } = await stat(sockets);
    const owner = process.getuid?.() === 0 ? { uid, gid } : {};
    // Of PostgreSQL's own user: it takes a process that it may not signal for no server.
    const foreign = spawn('sleep', ['60'], { ...owner, stdio: 'ignore' });
    try {
      const lockFiles = [...folders.map((folder) => join(folder, 'postmaster.pid')), join(sockets, '.s.PGSQL.5432.lock')];
      for (const file of lockFiles) {
        await writeFile(file, `${foreign.pid}\n${folders[0]}\n1700000000\n5432\n${sockets}\n\n`, { mode: 0o600 });
        await chown(file, uid, gid);
      }
      await using cluster = await startForTest({ dataDir: dataDir.path });
      expect(await cluster.primary.pid()).not.toBe(foreign.pid);
      expect(foreign.exitCode ?? foreign.signalCode).toBeNull();
    } finally {
      foreign.kill();
    }
  });

  it('starts a crashed server again, and leaves one that was stopped in order', async () => {
    await using dataDir = temporaryDataDir();
    await using cluster = await startForTest({ dataDir: dataDir.path });
    const { primary, replica, connections } = cluster;
    if (!replica) throw new Error('there is no replica');
    await ask(connections.owner, 'create table t (n int)');

    for (const server of [primary, replica]) {
      const crashed = Number(await server.pid());
      process.kill(crashed, 'SIGKILL');
      await until('it runs again', async () => ![undefined, crashed].includes(await server.pid()));
    }
    await until('the primary takes writes', async () => (await ask(connections.owner, 'insert into t values (1)')).length === 0);
    const [reading] = connections.replicas;
    if (!reading) throw new Error('there is no replica');
    await until(
      'the replica streams again',
      async () => (await ask({ ...reading, user: 'postgres' }, 'select n from t')).length === 1,
    );

    const stopped = Number(await replica.pid());
    process.kill(stopped, 'SIGINT');
    await until('it has ended', () => !isAlive(stopped));
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(await replica.pid()).toBeUndefined();
    await replica.start();
    expect(await ask(reading, 'select pg_is_in_recovery() as replica')).toEqual([{ replica: true }]);
  });

  it('stops a server that somebody started by hand', async () => {
    await using dataDir = temporaryDataDir();
    await using cluster = await startForTest({ dataDir: dataDir.path, replica: false });
    const { folder } = cluster.primary;
    const first = Number(await cluster.primary.pid());
    const [executable = '', ...args] = (await readFile(`/proc/${first}/cmdline`, 'utf8')).split('\0').slice(0, -1);
    process.kill(first, 'SIGINT');
    await until('it has ended', () => !isAlive(first));
    const { uid, gid } = await stat(folder);
    const byHand = spawn(executable, args, { ...(process.getuid?.() === 0 ? { uid, gid } : {}), cwd: '/', stdio: 'ignore' });
    await until('it answers', async () => (await ask(cluster.connections.owner, 'select 1')).length === 1);
    expect(await cluster.primary.pid()).toBe(byHand.pid);
    await cluster.stop();
    expect(isAlive(Number(byHand.pid))).toBe(false);
  });
});

async function expectAcknowledged(dataDir: string, { acknowledged }: ClusterProgram): Promise<void> {
  await using cluster = await startForTest({ dataDir });
  const [replica] = cluster.connections.replicas;
  if (!replica) throw new Error('there is no replica');
  for (const connection of [cluster.connections.superuser, { ...replica, user: 'postgres' }]) {
    const rows = await ask<{ n: string }>(connection, 'select n from acknowledged');
    const kept = new Set(rows.map(({ n }) => Number(n)));
    expect(acknowledged.filter((n) => !kept.has(n))).toEqual([]);
  }
}
