import type pg from 'pg';
import type { Logger } from 'pino';
import { type Loop, loop } from '../background/loop.ts';

/** Events that one round numbers, or a few more: a backlog is numbered in several. */
const MOST = 10_000;
/** How soon a round may begin after the one before began, in milliseconds: under load, one numbers what many commands stored. */
const PACE = 15;
/** From the end of one round to the start of the next when nobody wakes the sequencer, in milliseconds. */
const POLL = 250;

/** What a round came to. */
export interface NumberingRound {
  readonly seconds: number;
  /** How many events got a number; `busy` when another session was numbering, undefined when the round failed. */
  readonly numbered: number | 'busy' | undefined;
  /** From the first commit of this instance that waited for the round to its end; undefined when none waited, or it still does. */
  readonly delaySeconds: number | undefined;
}

export interface Sequencer extends Pick<Loop, 'stop'> {
  /** To be called when this instance has committed events. Costs nothing: rounds are coalesced. */
  readonly wake: () => void;
}

export interface SequencerOptions {
  /** The primary, as the writer. One connection is enough. */
  readonly pool: Pick<pg.Pool, 'query'>;
  readonly logger: Pick<Logger, 'warn' | 'info'>;
  /** Told of every round. */
  readonly report?: (round: NumberingRound) => void;
  readonly most?: number;
  readonly paceMs?: number;
  readonly pollMs?: number;
}

/**
 * Gives events their numbers in the feed. Every instance runs one, and all of them do it: a round is a single statement
 * (`cqrs.number_events`), so no instance holds anything that another would have to take over when it dies.
 */
export function startSequencer(options: SequencerOptions): Sequencer {
  const { pool, logger, report, most = MOST, paceMs = PACE, pollMs = POLL } = options;
  let startedAt = Number.NEGATIVE_INFINITY;
  let isDue = false;
  /** When the first commit came that no round has numbered. */
  let waitingSince: number | undefined;

  function wake(): void {
    if (isDue) return;
    isDue = true;
    const now = performance.now();
    waitingSince ??= now;
    const rest = startedAt + paceMs - now;
    if (rest <= 0) numbering.wake();
    else setTimeout(numbering.wake, rest).unref();
  }

  async function round(): Promise<void> {
    startedAt = performance.now();
    isDue = false;
    const since = waitingSince;
    waitingSince = undefined;
    let numbered: NumberingRound['numbered'];
    try {
      numbered = await numberEvents(pool, most);
    } finally {
      if (typeof numbered !== 'number') waitingSince = since ?? waitingSince;
      const ended = performance.now();
      const delaySeconds = since === undefined || typeof numbered !== 'number' ? undefined : (ended - since) / 1000;
      report?.({ seconds: (ended - startedAt) / 1000, numbered, delaySeconds });
    }
    // The other one may have looked before this instance committed.
    if (numbered === 'busy') wake();
    else if (numbered >= most) numbering.wake();
  }

  const numbering = loop({
    name: 'sequencer',
    every: pollMs,
    outage: { logger, fails: 'events cannot be numbered', works: 'events are numbered again' },
    round,
  });
  return { wake, stop: numbering.stop };
}

async function numberEvents(pool: Pick<pg.Pool, 'query'>, most: number): Promise<number | 'busy'> {
  const { rows } = await pool.query<{ numbered: number | null }>('select cqrs.number_events($1) as numbered', [most]);
  return rows[0]?.numbered ?? 'busy';
}
