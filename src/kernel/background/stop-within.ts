import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';

/**
 * Stops a part of the program. One that fails, or takes longer than it may, is logged and left behind: the end of the program is
 * certain, whatever the part waits for. Never rejects.
 */
export async function stopWithin(
  patienceMs: number,
  { name, stop, logger }: { name: string; stop: () => Promise<unknown>; logger: Pick<Logger, 'warn'> },
): Promise<void> {
  const isOver = new AbortController();
  const stopped = stop().then(
    () => true,
    (error: unknown) => {
      logger.warn({ err: error, part: name }, 'a part of the program failed to stop');
      return true;
    },
  );
  const late = sleep(patienceMs, false, { signal: isOver.signal }).catch(() => false);
  if (!(await Promise.race([stopped, late]))) logger.warn({ part: name, patienceMs }, 'a part of the program does not stop');
  isOver.abort();
}
