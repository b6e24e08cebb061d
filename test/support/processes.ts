import { readdirSync, readlinkSync } from 'node:fs';

/** The processes whose working directory is in the folder: PostgreSQL's stay in their data folder. The postmaster is the first. */
export function processesIn(folder: string): number[] {
  const pids = readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0);
  return pids.filter((pid) => directoryOf(pid)?.startsWith(folder)).sort((one, other) => one - other);
}

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

function directoryOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}
