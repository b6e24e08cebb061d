import type { Logger } from 'pino';
import { stopWithin } from '../background/stop-within.ts';

/** How long each part that works with the database may take to stop, in milliseconds: the database may not answer. */
const STOP_PATIENCE = 3_000;

/** What to do at the end, in reverse: the whole story of stopping. */
export interface Stops {
  readonly stack: AsyncDisposableStack;
  /** Stops a part that works with the database; one that takes longer than three seconds is left behind. */
  readonly briefly: (name: string, stop: () => Promise<unknown>) => void;
}

export const stopsOf = (stack: AsyncDisposableStack, logger: Logger): Stops => ({
  stack,
  briefly: (name, stop) => stack.defer(() => stopWithin(STOP_PATIENCE, { name, stop, logger })),
});
