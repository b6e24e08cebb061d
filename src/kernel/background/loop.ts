import type { Logger } from 'pino';

/** Work in the background, done round by round. Rounds never overlap. */
export interface Loop<T = unknown> {
  /** Has a round begin at once, or right after the one under way, which may have looked too early. */
  readonly wake: () => void;
  /** Wakes the loop, and returns what a round that begins after this call returns. Rejects when it fails; undefined once the loop is stopped. */
  readonly next: () => Promise<T | undefined>;
  /** No round begins any more. Resolves when none is under way, or when the signal aborts. */
  readonly stop: (signal?: AbortSignal) => Promise<void>;
}

/** How the log says that rounds fail, and that they work again: each once an outage. */
export interface Outage {
  readonly logger: Pick<Logger, 'warn' | 'info'>;
  /** `the command log cannot be sealed` */
  readonly fails: string;
  /** `the command log is sealed again` */
  readonly works: string;
}

/** Calls `run` when the time is over, unless the function that is returned was called before. */
export type Alarm = (ms: number, run: () => void) => () => void;

export interface LoopOptions<T> {
  /** In the log. */
  readonly name: string;
  readonly round: () => T | Promise<T>;
  /** From the end of one round to the start of the next, in milliseconds. */
  readonly every: number | (() => number);
  /** The first round begins after a pause, too. Otherwise it begins at once. */
  readonly restsFirst?: boolean;
  /** Left out where a round is not expected to fail: its error is an unhandled rejection then, as it would be without a loop. */
  readonly outage?: Outage;
  /** For tests. By default a timer, which does not keep the process alive. */
  readonly alarm?: Alarm;
}

/**
 * Does something again and again until it is stopped. A round that fails does not end the loop: the next one tries again.
 *
 * ```ts
 * const sealing = loop({ name: 'sealer', every: 250, round: sealOnce, outage: { logger, fails: '…', works: '…' } });
 * stops.briefly('sealer', () => sealing.stop());
 * ```
 */
export function loop<T>({ name, round, every, restsFirst = false, outage, alarm = timer }: LoopOptions<T>): Loop<T> {
  let isRunning = false;
  let isWoken = false;
  let isStopped = false;
  let failed = 0;
  let running = Promise.resolve();
  let cancel = (): void => {};
  /** Of those that asked for a round, and none has begun since. */
  let asked: PromiseWithResolvers<T | undefined> | undefined;

  async function run(): Promise<void> {
    isRunning = true;
    do await doRound();
    while (isWoken && !isStopped);
    isRunning = false;
    if (isStopped) asked?.resolve(undefined);
    else rest();
  }

  async function doRound(): Promise<void> {
    isWoken = false;
    const waiting = asked;
    asked = undefined;
    try {
      const result = await round();
      worked();
      waiting?.resolve(result);
    } catch (error) {
      broke(error, waiting !== undefined);
      waiting?.reject(error);
    }
  }

  function rest(): void {
    cancel = alarm(typeof every === 'number' ? every : every(), wake);
  }

  function wake(): void {
    if (isStopped) return;
    cancel();
    isWoken = true;
    if (!isRunning) running = run();
  }

  function next(): Promise<T | undefined> {
    if (isStopped) return Promise.resolve(undefined);
    asked ??= Promise.withResolvers();
    const { promise } = asked;
    wake();
    return promise;
  }

  function worked(): void {
    if (failed > 0) outage?.logger.info({ loop: name, failed }, outage.works);
    failed = 0;
  }

  /** What a stopped loop meets is that its resources are closed. */
  function broke(error: unknown, isTold: boolean): void {
    if (isStopped) return;
    failed += 1;
    if (!outage && !isTold) void Promise.reject(error);
    if (failed === 1) outage?.logger.warn({ err: error, loop: name }, `${outage.fails}; trying again`);
  }

  async function stop(signal?: AbortSignal): Promise<void> {
    isStopped = true;
    cancel();
    await (signal ? Promise.race([running, aborted(signal)]) : running);
  }

  if (restsFirst) rest();
  else wake();
  return { wake, next, stop };
}

const timer: Alarm = (ms, run) => {
  const timeout = setTimeout(run, ms).unref();
  return () => clearTimeout(timeout);
};

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
