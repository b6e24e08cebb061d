import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';

/** What removes rows that have run out, by its name in the log. */
export type Sweeps = Readonly<Record<string, () => Promise<unknown>>>;

/** Runs the sweeps one after the other, again and again. One that fails is logged and has its turn again. `stop` awaits the last. */
export function startSweeps(
  sweeps: Sweeps,
  { intervalMs, logger }: { intervalMs: number; logger: Pick<Logger, 'warn'> },
): { stop: () => Promise<void> } {
  const ending = new AbortController();
  const running = run();

  async function run(): Promise<void> {
    while (await pause()) {
      for (const [name, sweep] of Object.entries(sweeps)) {
        await sweep().catch((error: unknown) => logger.warn({ err: error, sweep: name }, 'a sweep failed'));
      }
    }
  }

  /** False at the end. Instances that were started together sweep at different times. */
  async function pause(): Promise<boolean> {
    const ms = intervalMs * (0.5 + Math.random());
    await sleep(ms, undefined, { signal: ending.signal, ref: false }).catch(() => {});
    return !ending.signal.aborted;
  }

  return {
    stop: async () => {
      ending.abort();
      await running;
    },
  };
}
