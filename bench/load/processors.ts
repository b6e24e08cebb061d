import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';

/** A process and those that it has started, and so on. Where there is no /proc, the process alone. */
export async function withChildren(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const children = text.trim().split(' ').filter(Boolean).map(Number);
  return [pid, ...(await Promise.all(children.map(withChildren))).flat()];
}

/** Has a process and its children run on these processors alone, and what they start later. `0-3,7` is a list (taskset(1)). */
export async function pin(pid: number, processors: string): Promise<void> {
  for (const one of await withChildren(pid)) {
    await promisify(execFile)('taskset', ['--all-tasks', '--cpu-list', '--pid', processors, String(one)]);
  }
}

/** So many processors for a subject, and the others for what loads it; undefined where there are not at least as many others. */
export function shares(
  ofSubject: number,
): { readonly subject: string; readonly others: string; readonly all: string } | undefined {
  const count = availableParallelism();
  if (count < 2 * ofSubject) return undefined;
  return { subject: `0-${ofSubject - 1}`, others: `${ofSubject}-${count - 1}`, all: `0-${count - 1}` };
}
