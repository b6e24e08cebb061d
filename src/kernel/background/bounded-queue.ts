import { Overloaded } from '../bus/errors.ts';

/** Whose work it is, and what ends its wait. */
export interface Turn {
  readonly caller?: string;
  readonly signal?: AbortSignal | undefined;
}

/** Runs work when its turn comes. Callers take turns, and the work of one caller runs in the order of its arrival. */
export interface BoundedQueue {
  <T>(work: () => Promise<T>, turn?: Turn): Promise<T>;
  /** How much work runs and waits now. */
  readonly load: () => QueueLoad;
}

export interface QueueLoad {
  readonly running: number;
  readonly waiting: number;
}

interface Waiting {
  readonly start: () => void;
  readonly refuse: (reason: unknown) => void;
}

/**
 * Lets `concurrency` pieces of work run at once and `maxWaiting` more wait. In a full queue a caller takes a place from the caller who has
 * most of them, unless that is its own: the youngest work there rejects with Overloaded, naming the resource. So a caller who sends
 * more than all others together waits for itself. Work whose signal aborts leaves the queue at once and rejects with the signal's reason;
 * work that has begun goes on.
 */
export function boundedQueue(options: {
  readonly resource: string;
  readonly concurrency: number;
  readonly maxWaiting: number;
}): BoundedQueue {
  const { resource, concurrency, maxWaiting } = options;
  /** By caller: the next turn is that of the first, who goes to the end then. */
  const waiting = new Map<string, Set<Waiting>>();
  let count = 0;
  let running = 0;

  async function turn({ caller = '', signal }: Turn): Promise<void> {
    signal?.throwIfAborted();
    if (running < concurrency) {
      running++;
      return;
    }
    if (count >= maxWaiting) makePlaceFor(caller);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const own = { start: resolve, refuse: reject };
    // Once the turn has come, the place is gone from the queue and an abort comes too late to reject.
    const leave = () => {
      remove(caller, own);
      reject(signal?.reason);
    };
    waiting.set(caller, (waiting.get(caller) ?? new Set()).add(own));
    count++;
    signal?.addEventListener('abort', leave);
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  function makePlaceFor(caller: string): void {
    const [most, places] = [...waiting].reduce((a, b) => (b[1].size > a[1].size ? b : a), ['', new Set<Waiting>()]);
    const youngest = [...places].at(-1);
    if (!youngest || places.size <= (waiting.get(caller)?.size ?? 0) + 1) throw new Overloaded(resource);
    remove(most, youngest);
    youngest.refuse(new Overloaded(resource));
  }

  function remove(caller: string, one: Waiting): void {
    const places = waiting.get(caller);
    if (!places?.delete(one)) return;
    count--;
    if (places.size === 0) waiting.delete(caller);
  }

  /** The next in the queue takes over the place, so that no newcomer slips in between. */
  function passOn(): void {
    const [next] = waiting;
    const [first] = next?.[1] ?? [];
    if (!next || !first) {
      running--;
      return;
    }
    const [caller, places] = next;
    remove(caller, first);
    if (places.size > 0) {
      waiting.delete(caller);
      waiting.set(caller, places);
    }
    first.start();
  }

  const run = async <T>(work: () => Promise<T>, own: Turn = {}): Promise<T> => {
    await turn(own);
    try {
      return await work();
    } finally {
      passOn();
    }
  };
  return Object.assign(run, { load: () => ({ running, waiting: count }) });
}
