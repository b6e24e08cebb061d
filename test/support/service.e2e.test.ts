import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { PATIENCE } from './patience.ts';
import { isAlive, processesIn, signalAll } from './processes.ts';
import { startService } from './service.ts';
import { temporaryDataDir } from './temporary-data-dir.ts';

describe('the service that end-to-end tests start', () => {
  it('serves, has an admin token, and stops without a trace', async () => {
    const service = await startService();
    const home = realpathSync(join(service.dataDir, 'postgres'));
    expect((await fetch(`http://${service.httpAddress}/readyz`)).status).toBe(200);
    const answer = await fetch(`http://${service.httpAddress}/users.v1.QueryService/ListUsers`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${await service.adminToken()}` },
      body: '{}',
    });
    expect(await answer.json()).toEqual({});
    expect(processesIn(home)).not.toEqual([]);

    expect(await service.stop()).toBe(0);
    expect(service.log()).toContain('"method":"users.v1.QueryService/ListUsers"');
    expect(processesIn(home)).toEqual([]);
    expect(existsSync(service.dataDir)).toBe(false);
  });

  it('can be killed and started again on what it left', async () => {
    await using dataDir = temporaryDataDir();
    const killed = await startService({ dataDir: dataDir.path });
    const home = realpathSync(join(killed.dataDir, 'postgres'));
    await killed.kill();
    expect(isAlive(killed.pid)).toBe(false);
    expect(processesIn(home)).not.toEqual([]);

    await using again = await startService({ dataDir: dataDir.path });
    expect(await again.stop()).toBe(0);
    expect(processesIn(home)).toEqual([]);
  });

  it('is stopped after a kill too', async () => {
    const service = await startService();
    const home = realpathSync(join(service.dataDir, 'postgres'));
    await service.kill();
    expect(await service.stop()).toBe(null);
    expect(processesIn(home)).toEqual([]);
    expect(existsSync(service.dataDir)).toBe(false);
  });

  it('says why it did not start', async () => {
    await expect(startService({ env: { GRPC_ADDRESS: 'nowhere' } })).rejects.toThrow('GRPC_ADDRESS is "nowhere"');
  });

  it('stops by itself when the process of the test is killed', async () => {
    await using dataDir = temporaryDataDir();
    const program = `
      const { startService } = await import(${JSON.stringify(join(import.meta.dirname, 'service.ts'))});
      const { pid } = await startService({ dataDir: ${JSON.stringify(dataDir.path)} });
      console.log(pid);`;
    const test = spawn(process.execPath, ['--input-type=module', '-e', program], { env: { ...process.env, NODE_OPTIONS: '' } });
    const pid = Number(await once(test.stdout, 'data'));
    const home = realpathSync(join(dataDir.path, 'postgres'));
    expect(isAlive(pid)).toBe(true);
    try {
      test.kill('SIGKILL');
      await ended(pid);
      expect(processesIn(home)).toEqual([]);
    } finally {
      signalAll([pid], 'SIGTERM');
      await ended(pid);
    }
  });
});

async function ended(pid: number): Promise<void> {
  for (const end = Date.now() + PATIENCE; isAlive(pid); await delay(50)) {
    if (Date.now() > end) throw new Error(`the process ${pid} did not end`);
  }
}
