import { setTimeout as sleep } from 'node:timers/promises';
import { Conflict } from '../bus/errors.ts';
import { type Around, busMiddleware, type Middleware } from '../bus/middleware.ts';

/** Tries of one command in all. */
const TRIES = 10;
/** The first pause in milliseconds; it doubles with each try, up to the longest. */
const FIRST_PAUSE = 2;
const LONGEST_PAUSE = 100;

/** Runs a command again that lost against another one (serialization failure, deadlock, stale version), each time from the start. */
export function retry(random: () => number = Math.random): Middleware {
  const around: Around = (next) => async (call) => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await next(call);
      } catch (error) {
        if (!(error instanceof Conflict) || tries === TRIES || call.cancellation.reason) throw error;
        // Full jitter: colliding commands that pause alike collide again.
        await sleep(random() * Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** tries));
      }
    }
  };
  return busMiddleware('retry', () => around);
}
