import type pg from 'pg';
import type { Logger } from 'pino';
import { type Loop, loop } from '../background/loop.ts';
import { spread } from '../background/sweeps.ts';

/** How many months of the log have their partition before they begin. */
export const MONTHS_AHEAD = 24;
/** A failure is tried again long before the months run out, in milliseconds. */
export const EVERY = 6 * 3_600_000;

const MAKE = 'select cqrs.add_command_log_partitions($1) as made';

/** Makes the months of the log that are missing, by the owner's function; returns how many. */
export async function makeMonthsAhead(pool: Pick<pg.Pool, 'query'>): Promise<number> {
  const { rows } = await pool.query<{ made: number }>(MAKE, [MONTHS_AHEAD]);
  return rows[0]?.made ?? 0;
}

/**
 * Keeps the log of commands two years ahead of the time for as long as the program lives: at its start and some times a day. A record
 * whose month has no partition goes into the default one, which cannot be pruned; it moves when its month is made.
 */
export function startMonthsAhead(
  pool: Pick<pg.Pool, 'query'>,
  { logger, intervalMs = EVERY }: { logger: Pick<Logger, 'info' | 'warn'>; intervalMs?: number },
): Pick<Loop, 'stop'> {
  return loop({
    name: 'months of the log',
    every: () => spread(intervalMs),
    outage: { logger, fails: 'months of the command log cannot be made', works: 'months of the command log can be made again' },
    round: async () => {
      const made = await makeMonthsAhead(pool);
      if (made > 0) logger.info({ made }, 'months of the command log were made');
    },
  });
}
