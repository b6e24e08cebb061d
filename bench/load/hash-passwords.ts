import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { hash } from '@node-rs/argon2';
import { HASHING } from './hashing.ts';

/** How many passwords this machine hashes in a second, with as many at once as the service has. */
export async function hashesPerSecond(seconds: number): Promise<number> {
  let running = true;
  let hashes = 0;
  const hashOn = async (): Promise<void> => {
    while (running) {
      await hash('nine grey stones by the mill', HASHING);
      hashes += 1;
    }
  };
  const started = performance.now();
  const workers = Array.from({ length: Math.min(4, availableParallelism()) }, hashOn);
  await delay(seconds * 1000);
  running = false;
  await Promise.all(workers);
  return hashes / ((performance.now() - started) / 1000);
}
