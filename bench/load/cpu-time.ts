import { readFile } from 'node:fs/promises';
import { withChildren } from './processors.ts';

/** USER_HZ, which is 100 on every Linux that Node.js runs on (proc(5)). */
export const TICKS_A_SECOND = 100;

/** Seconds that a process and its children have spent on processors, in all of their threads; undefined where there is no /proc. */
export async function cpuSeconds(pid: number): Promise<number | undefined> {
  const all = await Promise.all((await withChildren(pid)).map((one) => cpuTicks(one)));
  return all[0] === undefined ? undefined : all.reduce<number>((sum, ticks = 0) => sum + ticks, 0) / TICKS_A_SECOND;
}

/** Of a process, in ticks; with `ended`, its children that have ended count as well. */
export async function cpuTicks(pid: number, { ended = false } = {}): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The second field is the program's name and may hold anything, also blanks.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields?.slice(11, ended ? 15 : 13).reduce((sum, field) => sum + Number(field), 0);
}

/** Resident memory of a process in bytes; undefined where there is no /proc. */
export async function residentBytes(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => undefined);
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(status ?? '')?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}
