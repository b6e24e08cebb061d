import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { PreparedBody } from './bodies.ts';

/** Files that are written over again and again until `stop`. */
export interface ChangingFiles {
  /** Answers how many bodies were written. */
  readonly stop: () => Promise<number>;
}

export interface ChangingFilesOptions {
  readonly files: readonly string[];
  readonly body: PreparedBody;
  readonly users: number;
  /** The first serial number. Every body has one of its own. */
  readonly firstSerial: number;
  /** Milliseconds from one body to the next in each file. */
  readonly everyMs: number;
}

/**
 * Spreads the calls of h2load over many keys. h2load has one body for all its calls, but it reads that body from the file again for
 * each call: whoever writes the file over decides what the next call says.
 *
 * Each file has users of its own, so that no two h2loads call for the same user at once. A body that is read while it is written has
 * digits of two numbers, which make a third: where the number of users is a power of ten, that is a user, too.
 */
export async function startChangingFiles(options: ChangingFilesOptions): Promise<ChangingFiles> {
  const worker = new Worker(new URL('./write-bodies.ts', import.meta.url), { workerData: options });
  await once(worker, 'message');
  return {
    stop: async () => {
      worker.postMessage('stop');
      const [written] = (await once(worker, 'message')) as [number];
      await worker.terminate();
      return written;
    },
  };
}
