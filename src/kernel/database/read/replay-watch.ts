import { setTimeout as sleep } from 'node:timers/promises';
import type { Cancellation } from '../../bus/cancellation.ts';
import type { Seen } from './log-position.ts';
import type { Standing } from './timelines.ts';

/** How long a query waits for a replica, in milliseconds: what is written on the primary is there in a few, or the primary answers. */
const PATIENCE = 50;
/** From one look to the next while somebody waits, in milliseconds. */
const PAUSE = 2;

/** A query that waits. */
interface Waiter {
  readonly seen: Seen;
  readonly done: (isThere: boolean) => void;
}

/** The replica that is watched. */
export interface Replayed {
  /** How it stands to what somebody has seen, as far as is known. */
  readonly standing: (seen: Seen) => Standing;
  /** Finds out where it is, for those who wait for `lsn` at the soonest; `standing` knows it afterwards. Must not reject. */
  readonly look: (lsn: bigint) => Promise<void>;
}

/**
 * Lets queries wait until a replica has applied what their callers have seen: one look at a time for all who wait, and none while nobody does.
 *
 * What was waited for in vain is remembered. Until it is there, nobody waits for as much: while replay is paused, slow or delayed on purpose,
 * one query has waited for it, and the others go to the primary at once.
 */
export class ReplayWatch {
  readonly #replayed: Replayed;
  readonly #waiting = new Set<Waiter>();
  #isLooking = false;
  #missed: Seen | undefined;

  constructor(replayed: Replayed) {
    this.#replayed = replayed;
  }

  /** Whether the replica has it, at the latest after a short time. Rejects when the call is canceled. */
  async has(seen: Seen, cancellation: Cancellation): Promise<boolean> {
    if (this.#standing(seen) !== 'not yet') return this.#standing(seen) === 'has it';
    if (this.#isInVain(seen)) return false;
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const waiter = { seen, done: resolve };
    this.#waiting.add(waiter);
    const forget = cancellation.onCancel(reject);
    const patience = setTimeout(() => {
      this.#missed = seen;
      resolve(false);
    }, PATIENCE);
    void this.#lookOn();
    try {
      return await promise;
    } finally {
      clearTimeout(patience);
      forget();
      this.#waiting.delete(waiter);
    }
  }

  #standing(seen: Seen): Standing {
    return this.#replayed.standing(seen);
  }

  #isInVain(seen: Seen): boolean {
    if (this.#missed && this.#standing(this.#missed) !== 'not yet') this.#missed = undefined;
    return this.#missed !== undefined && seen.timeline >= this.#missed.timeline && seen.lsn >= this.#missed.lsn;
  }

  async #lookOn(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    while (this.#waiting.size > 0) {
      const lowest = [...this.#waiting].reduce((least, { seen }) => (seen.lsn < least ? seen.lsn : least), LAST);
      await this.#replayed.look(lowest);
      for (const { seen, done } of this.#waiting) if (this.#standing(seen) !== 'not yet') done(this.#standing(seen) === 'has it');
      await sleep(PAUSE);
    }
    this.#isLooking = false;
  }
}

/** The end of any log. */
const LAST = 2n ** 64n - 1n;
