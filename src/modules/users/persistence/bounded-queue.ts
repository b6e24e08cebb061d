import { Overloaded } from '../../../cqrs/errors.ts';

/** Runs work when its turn comes, first come, first served. */
export type BoundedQueue = <T>(work: () => Promise<T>, signal?: AbortSignal) => Promise<T>;

/**
 * Lets `concurrency` pieces of work run at once and `maxWaiting` more wait. A call beyond that rejects with Overloaded, naming the
 * resource. One whose signal aborts leaves the queue at once and rejects with the signal's reason; work that has begun goes on.
 */
export function boundedQueue(options: {
  readonly resource: string;
  readonly concurrency: number;
  readonly maxWaiting: number;
}): BoundedQueue {
  const { resource, concurrency, maxWaiting } = options;
  /** In the order of arrival. */
  const waiting = new Set<() => void>();
  let running = 0;

  async function turn(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (running < concurrency) {
      running++;
      return;
    }
    if (waiting.size >= maxWaiting) throw new Overloaded(resource);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // Once the turn has come, the place is gone from the queue and an abort comes too late to reject.
    const leave = () => {
      waiting.delete(resolve);
      reject(signal?.reason);
    };
    waiting.add(resolve);
    signal?.addEventListener('abort', leave);
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  /** The next in the queue takes over the place, so that no newcomer slips in between. */
  function passOn(): void {
    const [next] = waiting;
    if (next === undefined) {
      running--;
      return;
    }
    waiting.delete(next);
    next();
  }

  return async (work, signal) => {
    await turn(signal);
    try {
      return await work();
    } finally {
      passOn();
    }
  };
}
