import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { lockDataDir } from '../../src/embedded-postgres/data-dir-lock.ts';

describe('lockDataDir', () => {
  let directory = '';
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lock-'));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  it('refuses a second holder, naming the directory and the first one', async () => {
    const lock = await lockDataDir(directory, 4711);
    await expect(lockDataDir(directory)).rejects.toThrow(`DATA_DIR ${directory} is in use by another program (pid 4711)`);
    lock.release();
    lock.release();
    (await lockDataDir(directory)).release();
    expect(readdirSync(directory)).toEqual(['lock']);
  });

  it('is free again when its holder was killed', async () => {
    const url = new URL('../../src/embedded-postgres/data-dir-lock.ts', import.meta.url).href;
    const program = `const { lockDataDir } = await import(${JSON.stringify(url)}); await lockDataDir(${JSON.stringify(directory)}); console.log('held'); setInterval(() => {}, 1000)`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    await expect(lockDataDir(directory)).rejects.toMatchObject({ name: 'DataDirInUse', holderPid: child.pid });
    child.kill('SIGKILL');
    await once(child, 'exit');
    (await lockDataDir(directory)).release();
  });

  it('tells a directory that is not there from one that is in use', async () => {
    await expect(lockDataDir(join(directory, 'gone'))).rejects.toMatchObject({ name: 'DataDirUnusable' });
  });
});
