/** Refusals a second that callers get who come back at once, all together. */
const PACE = 2_000;
/** No refusal waits much longer than this, in milliseconds: with more that wait, more are sent. Callers are told to wait as long. */
const LONGEST_WAIT = 1_000;
/** The least that callers are told to wait, in milliseconds. */
const AS_TOLD = 500;
/** Between two looks at those that wait, in milliseconds. */
const EVERY = 2;
/** What is saved up while nothing waits, and what those in front may owe: refusals of 50 ms. */
const MOST_SAVED = PACE / 20;
/**
 * Refusals in one turn of the event loop. More would be a danger: Node keeps a finished stream for another turn, and ends a connection
 * when a hundred streams come for which there is no room. A caller with all its streams open replaces each one as soon as it is refused.
 */
const PER_TURN = 32;

/** What waits on one connection, first come, first served. */
interface Line<C> {
  readonly calls: C[];
  /** How many were sent, as far as it counts: see `RefusalQueue.#share`. */
  had: number;
  /** When the last one was sent. */
  lastAt: number;
}

/**
 * Sends refusals at a pace, fairly among connections.
 *
 * A refusal is cheap, but callers who come back at once could use up all the time by them, their own and that of the calls that were let
 * through. So they share a pace. A connection that had less than its share, or none for as long as callers are told to wait, goes in
 * front of the others, as sparse flows do in fair queueing (RFC 8290): a caller who is refused now and then has the answer at once, whatever
 * others do.
 */
export class RefusalQueue<C> {
  readonly #send: (call: C) => void;
  readonly #lines = new WeakMap<object, Line<C>>();
  /** Lines that had less than their share, and the others, which take turns. */
  readonly #front: Line<C>[] = [];
  readonly #rest: Line<C>[] = [];
  /** What the line had that took its turn last: one that had less goes in front. */
  #share = 0;
  #waiting = 0;
  #budget = MOST_SAVED;
  #at = performance.now();
  #leftInTurn = PER_TURN;
  #timer: NodeJS.Timeout | undefined;

  constructor(send: (call: C) => void) {
    this.#send = send;
  }

  /** Refuses the call, at once or in the turn of its connection. */
  add(call: C, connection: object): void {
    const line = this.#lines.get(connection) ?? { calls: [], had: 0, lastAt: Number.NEGATIVE_INFINITY };
    this.#lines.set(connection, line);
    line.calls.push(call);
    this.#waiting += 1;
    if (line.calls.length > 1) return;
    this.#refill();
    // What a connection did not use of its share is kept for a while: callers on it may come together.
    const saved = this.#share - MOST_SAVED / (this.#front.length + this.#rest.length + 1);
    line.had = this.#at - line.lastAt < AS_TOLD ? Math.max(line.had, saved) : saved;
    this.#enqueue(line);
    this.#sendWhatIsDue();
  }

  #enqueue(line: Line<C>): void {
    (line.had < this.#share ? this.#front : this.#rest).push(line);
  }

  #sendWhatIsDue(): void {
    let line = this.#next();
    while (line) {
      this.#sendOneOf(line);
      line = this.#next();
    }
    if (this.#waiting === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#refill();
      this.#sendWhatIsDue();
    }, EVERY);
  }

  #refill(): void {
    const now = performance.now();
    const perMillisecond = Math.max(PACE / 1000, this.#waiting / LONGEST_WAIT);
    this.#budget = Math.min(MOST_SAVED, this.#budget + (now - this.#at) * perMillisecond);
    this.#at = now;
  }

  /** Those in front may owe what they have too much to those who take turns. */
  #next(): Line<C> | undefined {
    if (this.#leftInTurn === 0) return undefined;
    if (this.#front.length > 0) return this.#budget > -MOST_SAVED ? this.#front.shift() : undefined;
    return this.#budget >= 1 ? this.#rest.shift() : undefined;
  }

  #sendOneOf(line: Line<C>): void {
    if (this.#leftInTurn === PER_TURN) {
      setImmediate(() => {
        this.#leftInTurn = PER_TURN;
      });
    }
    this.#leftInTurn -= 1;
    this.#budget -= 1;
    this.#waiting -= 1;
    this.#share = Math.max(this.#share, line.had);
    line.had += 1;
    line.lastAt = this.#at;
    const call = line.calls.shift();
    if (line.calls.length > 0) this.#enqueue(line);
    if (call !== undefined) this.#send(call);
  }
}
