import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The processes whose working directory is in the folder: PostgreSQL's stay in their data folder. The postmaster is the first. */
export function processesIn(folder: string): number[] {
  return allProcesses()
    .filter((pid) => directoryOf(pid)?.startsWith(folder))
    .sort((one, other) => one - other);
}

/** The children of a process that run this program, by a part of their command line. */
export function childrenOf(parent: number, program: string): number[] {
  return allProcesses().filter((pid) => {
    const [, , ppid] = read(`/proc/${pid}/stat`).replace(/^.*\)/, ')').split(' ');
    return Number(ppid) === parent && read(`/proc/${pid}/cmdline`).includes(program);
  });
}

/** A dead process that nobody has asked about has no executable. */
export const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}/exe`);

/** Sends a signal to each; those that have ended meanwhile do not matter. */
export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended.
    }
  }
}

function allProcesses(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0);
}

/** Empty when it is gone. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function directoryOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}
