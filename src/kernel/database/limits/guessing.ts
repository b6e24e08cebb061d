import { setTimeout as sleep } from 'node:timers/promises';
import type { Call } from '../../bus/call.ts';
import { GuessesExhausted, GuessesThrottled } from '../../bus/errors.ts';
import { Turns } from '../../bus/turns.ts';
import { translateSqlError } from '../sql-errors.ts';
import type { Admission, Count, Guesses } from './guesses.ts';

/** How long a guess is held at most, and how often it looks whether it may go on, in milliseconds. */
const LONGEST_HOLD = 10_000;
const LOOK_EVERY = 20;
/** Guesses that are held at once on one instance, half of the commands it has in flight by default. */
const MOST_HELD = 64;
/** When a guess may come back that could not be held, in milliseconds. */
const COME_BACK = 1_000;

const ADMITTED: Admission = { state: 'admitted', retryAfterMs: 0 };

/** A call that tells whether a guess at a secret is right. */
export interface Guess<T> {
  readonly call: Call;
  /** Every count that has to let it through. */
  readonly counts: readonly Count[];
  /** Counts that a right guess ends besides. */
  readonly alsoEnds?: readonly Count[];
  readonly make: () => Promise<T>;
  /** Whether the guess was right, or nothing was learned of that. */
  readonly judge: (end: { readonly answer: T } | { readonly error: unknown }) => 'right' | 'wrong' | 'unknown';
}

type Pending = Pick<Guess<never>, 'call' | 'counts' | 'alsoEnds'>;

export type Guessing = <T>(guess: Guess<T>) => Promise<T>;

/**
 * Lets guesses pass as their counts allow, and counts how they end.
 *
 * A guess that comes while others are under way is held when these could still use up what may be wrong: each that turns out to be right
 * lets it go on, and it fails with GuessesThrottled when they were wrong. So a right secret that is sent twenty times at once is right
 * twenty times. Held guesses at one target wait in line; on other instances they look at the same row.
 */
export function guessing({
  guesses,
  report,
}: {
  guesses: Pick<Guesses, 'begin' | 'wrong' | 'right' | 'takeBack'>;
  /** Told why a guess stays pending: its call is over, and its outcome stands. It counts as wrong after a minute. */
  report: (error: unknown) => void;
}): Guessing {
  const line = new Turns();
  let held = 0;

  async function begin({ call, counts }: Pending): Promise<Admission> {
    const begun: Count[] = [];
    try {
      for (const count of counts) {
        const admission = await guesses.begin(count, call.cancellation);
        if (admission.state !== 'admitted') {
          await takeBack(begun);
          return admission;
        }
        begun.push(count);
      }
      return ADMITTED;
    } catch (error) {
      await takeBack(begun);
      throw translateSqlError(error);
    }
  }

  async function admit(guess: Pending): Promise<void> {
    if (held >= MOST_HELD) throw new GuessesThrottled(COME_BACK);
    const until = performance.now() + LONGEST_HOLD;
    const name = guess.counts.map(({ target }) => target.toString('base64url')).join();
    held += 1;
    try {
      const { state, retryAfterMs } = await line.take(name, () => nextAdmission(guess, until));
      if (state === 'ended') throw new GuessesExhausted();
      if (state !== 'admitted') throw new GuessesThrottled(state === 'held' ? COME_BACK : retryAfterMs);
    } finally {
      held -= 1;
    }
  }

  async function nextAdmission(guess: Pending, until: number): Promise<Admission> {
    for (;;) {
      if (guess.call.cancellation.reason) throw guess.call.cancellation.reason;
      const admission = await begin(guess);
      if (admission.state !== 'held' || performance.now() > until) return admission;
      await sleep(LOOK_EVERY);
    }
  }

  async function end({ counts, alsoEnds = [] }: Pending, verdict: 'right' | 'wrong' | 'unknown'): Promise<void> {
    if (verdict === 'right') await guesses.right([...counts, ...alsoEnds]).catch(report);
    else if (verdict === 'unknown') await takeBack(counts);
    else for (const count of counts) await guesses.wrong(count).catch(report);
  }

  async function takeBack(counts: readonly Count[]): Promise<void> {
    for (const count of counts) await guesses.takeBack(count).catch(report);
  }

  return async (guess) => {
    await admit(guess);
    const { make, judge } = guess;
    let answer: Awaited<ReturnType<typeof make>>;
    try {
      answer = await make();
    } catch (error) {
      await end(guess, judge({ error }));
      throw error;
    }
    await end(guess, judge({ answer }));
    return answer;
  };
}
