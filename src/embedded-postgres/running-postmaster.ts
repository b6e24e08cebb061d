import { readFileSync } from 'node:fs';
import { readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errorCode } from './error-code.ts';
import { run } from './operating-system-user.ts';

/** The process id of the server that runs on a data folder, whoever started it. */
export async function runningPostmaster(folder: string): Promise<number | undefined> {
  const pid = await recordedPid(folder);
  return pid !== undefined && isAlive(pid) && (await worksOn(pid, folder)) ? pid : undefined;
}

/**
 * Makes a data folder free for a start: ends a server that an earlier program left, and what outlived a server that was killed.
 *
 * PostgreSQL itself checks a postmaster.pid that names a dead process. It refuses to start when the number belongs to another
 * program by now, as after a reboot, or to a zombie, and when the file is empty or garbled, as after a power cut; only then the file is
 * removed here. Call it under the lock of the data directory.
 */
export async function freeDataFolder(folder: string): Promise<void> {
  const pidFile = join(folder, 'postmaster.pid');
  const isThere = await stat(pidFile).then(
    () => true,
    () => false,
  );
  if (!isThere) return;
  const pid = await recordedPid(folder);
  const running = await runningPostmaster(folder);
  if (running !== undefined) await endProcesses([running]);
  await endProcesses(await leftBehind(folder));
  if (pid === undefined || exists(pid)) await rm(pidFile, { force: true });
}

const WAYS_TO_END: readonly (readonly [NodeJS.Signals, number])[] = [
  ['SIGINT', 15_000],
  ['SIGQUIT', 5_000],
  ['SIGKILL', 5_000],
];

/** Fast shutdown; then, when that takes too long, an immediate one; then a kill. About 25 s at most. */
export async function endProcesses(pids: readonly number[]): Promise<void> {
  let living = pids.filter(isAlive);
  for (const [signal, patience] of WAYS_TO_END) {
    for (const pid of living) send(pid, signal);
    for (let waited = 0; living.length > 0 && waited < patience; waited += 20) {
      await delay(20);
      living = living.filter(isAlive);
    }
    if (living.length === 0) return;
  }
}

async function recordedPid(folder: string): Promise<number | undefined> {
  const text = await readFile(join(folder, 'postmaster.pid'), 'utf8').catch(() => '');
  const [first = ''] = text.split('\n', 1);
  return /^-?\d{1,10}$/.test(first) ? Math.abs(Number(first)) || undefined : undefined;
}

/** Server processes of this folder without their postmaster: they hold its shared memory, and PostgreSQL would refuse to start. */
async function leftBehind(folder: string): Promise<number[]> {
  const pids = (await readdir('/proc').catch(() => [])).map(Number).filter((pid) => pid > 0);
  const checked = await Promise.all(pids.map(async (pid) => ((await isPostgresIn(pid, folder)) ? [pid] : [])));
  return checked.flat();
}

async function worksOn(pid: number, folder: string): Promise<boolean> {
  const byProc = await isPostgresIn(pid, folder);
  if (byProc !== undefined) return byProc;
  const { output } = await run('ps', ['-o', 'command=', '-p', String(pid)], undefined);
  return output.includes('postgres') && output.includes(folder);
}

/** PostgreSQL's processes stay in their data folder. Undefined where /proc cannot tell. */
async function isPostgresIn(pid: number, folder: string): Promise<boolean | undefined> {
  try {
    const executable = await readlink(`/proc/${pid}/exe`);
    if (!/\/postgres( \(deleted\))?$/.test(executable)) return false;
    const [where, wanted] = await Promise.all([stat(`/proc/${pid}/cwd`), stat(folder)]);
    return where.dev === wanted.dev && where.ino === wanted.ino;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  return exists(pid) && !isZombie(pid);
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/** Dead, but for a parent that does not ask: the first process of a container often does not. */
function isZombie(pid: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended in the meantime.
  }
}
