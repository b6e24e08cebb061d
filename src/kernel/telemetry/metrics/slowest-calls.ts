/** A call that took long, for people: an id to look up its trace and its lines in the log. */
export interface SlowCall {
  readonly method: string;
  readonly code: string;
  readonly seconds: number;
  readonly traceId: string;
  /** When it ended, in milliseconds since the epoch. */
  readonly at: number;
}

/** How many are kept, of each of the last minutes. */
const MOST = 10;
const MINUTE = 60_000;

/** The slowest calls of the last minute, ten at most. */
export class SlowestCalls {
  readonly #now: () => number;
  #current: SlowCall[] = [];
  #previous: readonly SlowCall[] = [];
  #began: number;

  /** `now` in milliseconds since the epoch. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
    this.#began = now();
  }

  /** Takes in a call that has ended. `traceId` is asked only of one that is kept. */
  add(call: Omit<SlowCall, 'traceId' | 'at'>, traceId: () => string): void {
    const last = this.#current.at(-1);
    if (last && this.#current.length === MOST && call.seconds <= last.seconds && this.#now() - this.#began < MINUTE) return;
    this.#turn();
    this.#current.push({ ...call, traceId: traceId(), at: this.#now() });
    this.#current = slowest(this.#current);
  }

  /** Of the last sixty seconds, slowest first. */
  list(): SlowCall[] {
    this.#turn();
    const since = this.#now() - MINUTE;
    return slowest([...this.#current, ...this.#previous].filter(({ at }) => at >= since));
  }

  #turn(): void {
    const age = this.#now() - this.#began;
    if (age < MINUTE) return;
    this.#previous = age < 2 * MINUTE ? this.#current : [];
    this.#current = [];
    this.#began = this.#now();
  }
}

/** The ten slowest, slowest first. */
export function slowest(calls: readonly SlowCall[]): SlowCall[] {
  return calls.toSorted((one, other) => other.seconds - one.seconds).slice(0, MOST);
}
