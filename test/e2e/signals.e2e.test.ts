import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { callerWith } from '../support/callers.ts';
import { eventually } from '../support/eventually.ts';
import { somebody } from '../support/people.ts';
import { processesIn } from '../support/processes.ts';
import { type Service, startService } from '../support/service.ts';
import { type TemporaryDataDir, temporaryDataDir } from '../support/temporary-data-dir.ts';
import { connectTo } from './acknowledged-commands.ts';

let dataDir: TemporaryDataDir;
beforeEach(() => {
  dataDir = temporaryDataDir();
});
afterEach(async () => dataDir[Symbol.asyncDispose]());

const servers = (): number[] => processesIn(realpathSync(join(dataDir.path, 'postgres')));

/** A command of which PostgreSQL has begun the transaction, and which waits until it is let go. */
async function commandUnderWay(service: Service) {
  const caller = callerWith(await service.adminToken(), service.grpcAddress);
  const { user } = await caller.commands.createUser(somebody());
  const userId = user?.id ?? '';
  const database = await connectTo(dataDir.path);
  await database.query('begin');
  await database.query('select from users."user" where id = $1 for update', [userId]);
  const answer = caller.commands.changeName({ userId, name: 'In time' }).then(
    ({ user: changed }) => changed?.name,
    (error: Error) => error.message,
  );
  const observer = await connectTo(dataDir.path);
  await eventually(async () => {
    const { rows } = await observer.query(`select from pg_stat_activity where wait_event_type = 'Lock'`);
    expect(rows).toHaveLength(1);
  });
  await observer.end();
  const letGo = async (): Promise<void> => {
    await database.query('rollback');
    await database.end();
  };
  return { answer, letGo };
}

describe('Ctrl-C', () => {
  it('that comes twice, as npm passes it on, lets calls in flight finish', async () => {
    const service = await startService({ dataDir: dataDir.path });
    const { answer, letGo } = await commandUnderWay(service);
    for (const signal of ['SIGINT', 'SIGINT', 'SIGTERM'] as const) process.kill(service.pid, signal);
    await eventually(() => expect(service.log()).toContain('stopping'));
    await letGo();
    expect(await answer).toBe('In time');
    expect(await service.stop()).toBe(0);
    expect(servers()).toEqual([]);
  });

  it('of somebody who is impatient ends the program, and PostgreSQL with it', async () => {
    const service = await startService({ dataDir: dataDir.path });
    const { letGo } = await commandUnderWay(service);
    const isAlive = (): boolean => {
      try {
        return process.kill(service.pid, 0);
      } catch {
        return false;
      }
    };
    for (; isAlive(); await sleep(200)) process.kill(service.pid, 'SIGINT');
    await letGo().catch(() => {});
    expect(await service.stop()).toBe(1);
    await eventually(() => expect(servers()).toEqual([]));
  });
});

describe('a program whose output nobody reads any more', () => {
  const MAIN = join(import.meta.dirname, '../../src/main.ts');
  const addressIn = (text: string): string | undefined => /Connect +http:\/\/(\S+)/.exec(text)?.[1];

  async function startAndLeave(program: ChildProcess): Promise<string> {
    let terminal = '';
    for await (const chunk of program.stderr ?? []) {
      terminal += chunk;
      if (addressIn(terminal)) break;
    }
    program.stderr?.destroy();
    program.stdout?.destroy();
    return addressIn(terminal) ?? '';
  }

  it.each(['1', '2'])('goes on serving, and ends in order, with %s worker(s)', async (WORKERS) => {
    const addresses = { GRPC_ADDRESS: '127.0.0.1:0', HTTP_ADDRESS: '127.0.0.1:0' };
    const env = { ...process.env, NODE_OPTIONS: '', ...addresses, DATA_DIR: dataDir.path, WORKERS };
    const program = spawn(process.execPath, [MAIN, 'serve'], { env });
    const ended = once(program, 'exit');
    const address = await startAndLeave(program);
    // Each call is a line of the log.
    for (let call = 0; call < 50; call += 1) {
      const response = await fetch(`http://${address}/users.v1.QueryService/GetUser`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{}',
      });
      expect(response.status).toBe(401);
    }
    program.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(servers()).toEqual([]);
  });
});
