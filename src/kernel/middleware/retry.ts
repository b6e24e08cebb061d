import { setTimeout as sleep } from 'node:timers/promises';
import { attemptKey } from '../bus/context-keys.ts';
import { Conflict } from '../bus/errors.ts';
import { type Around, busMiddleware, type Middleware } from '../bus/middleware.ts';

/** Attempts of one command in all. */
const ATTEMPTS = 10;
/** The first pause in milliseconds; it doubles with each attempt, up to the longest. */
const FIRST_PAUSE = 2;
const LONGEST_PAUSE = 100;

/** Runs a command again that lost against another one (serialization failure, deadlock, stale version), each time from the start. */
export function retry(random: () => number = Math.random): Middleware {
  const around: Around = (next) => async (call) => {
    const { cancellation, contextValues } = call;
    for (let attempt = 1; ; attempt += 1) {
      if (attempt > 1) contextValues.set(attemptKey, attempt);
      try {
        return await next(call);
      } catch (error) {
        if (!(error instanceof Conflict) || attempt === ATTEMPTS || cancellation.reason) throw error;
        // Full jitter: colliding commands that pause alike collide again.
        await sleep(random() * Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** attempt));
      }
    }
  };
  return busMiddleware('retry', () => around);
}
