import { setTimeout as delay } from 'node:timers/promises';
import { residentBytes } from '../load/cpu-time.ts';

const LOOK_MS = 1000;
/** A process that has not given back anything for so long is taken for settled. */
const STILL_MS = 20_000;
/** It is not waited for longer than this. */
const LONGEST_MS = 180_000;

/**
 * Resident memory of a process that has nothing to do, in bytes: the least that is seen until no less comes. An idle V8 collects garbage
 * and gives memory back, step by step.
 */
export async function settledBytes(pid: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  let leastAt = performance.now();
  const deadline = performance.now() + LONGEST_MS;
  while (performance.now() < Math.min(leastAt + STILL_MS, deadline)) {
    const bytes = (await residentBytes(pid)) ?? Number.NaN;
    if (bytes < least * 0.995) [least, leastAt] = [bytes, performance.now()];
    await delay(LOOK_MS);
  }
  return least;
}
