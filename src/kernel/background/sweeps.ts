import type { Logger } from 'pino';
import { type Loop, loop } from './loop.ts';

/** What removes rows that have run out, by its name in the log. */
export type Sweeps = Readonly<Record<string, () => Promise<unknown>>>;

/** Runs the sweeps one after the other, again and again. One that fails is logged each time, and the others have their turn. */
export function startSweeps(
  sweeps: Sweeps,
  { intervalMs, logger }: { intervalMs: number; logger: Pick<Logger, 'warn'> },
): Pick<Loop, 'stop'> {
  return loop({
    name: 'sweeps',
    every: () => spread(intervalMs),
    restsFirst: true,
    round: async () => {
      for (const [name, sweep] of Object.entries(sweeps)) {
        await sweep().catch((error: unknown) => logger.warn({ err: error, sweep: name }, 'a sweep failed'));
      }
    },
  });
}

/** Instances that were started together sweep at different times. */
export const spread = (ms: number): number => ms * (0.5 + Math.random());
