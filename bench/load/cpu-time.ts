import { readFile } from 'node:fs/promises';
import { withChildren } from './processors.ts';

/** USER_HZ, which is 100 on every Linux that Node.js runs on (proc(5)). */
const TICKS_A_SECOND = 100;

/** Seconds that a process and its children have spent on processors, in all of their threads; undefined where there is no /proc. */
export async function cpuSeconds(pid: number): Promise<number | undefined> {
  const all = await Promise.all((await withChildren(pid)).map(ownCpuSeconds));
  return all[0] === undefined ? undefined : all.reduce<number>((sum, seconds = 0) => sum + seconds, 0);
}

async function ownCpuSeconds(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The second field is the program's name and may hold anything, also blanks.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (!fields) return undefined;
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}

/** Resident memory of a process in bytes; undefined where there is no /proc. */
export async function residentBytes(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => undefined);
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(status ?? '')?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}
