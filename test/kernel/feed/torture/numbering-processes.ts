import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from '../../../../src/kernel/database/connection.ts';
import type { Random } from './random.ts';

const PROGRAM = join(import.meta.dirname, 'numbering-process.ts');

/** Several instances that number events, of which one after the other is killed and replaced. */
export interface NumberingProcesses {
  readonly killed: () => number;
  /** No more are killed; those that run go on. */
  readonly spare: () => Promise<void>;
  readonly end: () => Promise<void>;
}

export async function startNumbering(
  connection: Connection,
  { count, random }: { count: number; random: Random },
): Promise<NumberingProcesses> {
  const running = await Promise.all(Array.from({ length: count }, () => start(connection)));
  let isSpared = false;
  let killed = 0;

  async function torment(): Promise<void> {
    while (!isSpared) {
      await sleep(random.next() * 100);
      const place = random.below(count);
      running[place]?.kill('SIGKILL');
      killed += 1;
      running[place] = await start(connection);
    }
  }

  const tormenting = torment();
  tormenting.catch(() => {});
  return {
    killed: () => killed,
    spare: () => {
      isSpared = true;
      return tormenting;
    },
    end: async () => {
      isSpared = true;
      await tormenting.catch(() => {});
      for (const child of running) child.kill('SIGKILL');
    },
  };
}

async function start(connection: Connection): Promise<ChildProcess> {
  const env = { ...process.env, NODE_OPTIONS: '', CONNECTION: JSON.stringify(connection) };
  const child = spawn(process.execPath, [PROGRAM], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(() => {
    throw new Error('a process that numbers ended by itself');
  });
  ended.catch(() => {});
  await Promise.race([once(child.stdout, 'data'), ended]);
  return child;
}
