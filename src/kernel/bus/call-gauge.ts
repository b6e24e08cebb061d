/** A storm is when more than this part of the calls is refused. */
const STORM = 0.05;
/** The part of the limit that is left in a storm, and by which it changes at a time. */
const LEAST = 0.5;
const STEP = 0.1;

/**
 * Counts the calls in flight on this instance, up to a limit.
 *
 * A door that sees a call some steps before the pipeline does asks `expect`, which also counts the calls that it let through in
 * this turn of the event loop and that have not come to the pipeline yet. Only of this turn: a call whose message never arrives
 * must not hold a place.
 *
 * A gauge `within` another counts there too: it is a share of the other's places.
 */
export class CallGauge {
  readonly #limit: number;
  /** The limit, or less of it: see `shorten`. */
  #most: number;
  readonly #within: CallGauge | undefined;
  #inFlight = 0;
  #expected = 0;
  /** Since the last `shorten`. */
  #entered = 0;
  #refused = 0;
  /** At the last `shorten`. */
  #wasStorm = false;

  constructor(limit: number, { within }: { within?: CallGauge } = {}) {
    this.#limit = limit;
    this.#most = limit;
    this.#within = within;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** How many there may be now. */
  get limit(): number {
    return this.#most;
  }

  /** Whether there is room for a call that is on its way to the pipeline. */
  expect(): boolean {
    if (this.#inFlight + this.#expected >= this.#most) return this.#refuse();
    if (this.#expected === 0) setImmediate(() => this.#forget());
    this.#expected += 1;
    return true;
  }

  /** Whether there is room for a call; true has to be followed by `leave`. */
  enter(): boolean {
    if (this.#inFlight >= this.#most || this.#within?.enter() === false) return this.#refuse();
    this.#inFlight += 1;
    this.#entered += 1;
    if (this.#expected > 0) this.#expected -= 1;
    return true;
  }

  leave(): void {
    this.#inFlight -= 1;
    this.#within?.leave();
  }

  /**
   * To be called every so often. While many calls are refused and the processor `isBusy`, fewer are let in, step by step down to half of the
   * limit: those that are in wait for each other then, and more of them means no more answers, but that each takes longer. What waits for
   * something else than the processor keeps all of its places, and so does a burst, which is over before a second look.
   */
  shorten(isBusy: boolean): void {
    const isStorm = this.#refused > STORM * (this.#refused + this.#entered);
    const step = Math.ceil(STEP * this.#limit);
    const isLasting = isStorm && this.#wasStorm;
    this.#most =
      isLasting && isBusy
        ? Math.max(Math.ceil(LEAST * this.#limit), this.#most - step)
        : Math.min(this.#limit, this.#most + step);
    this.#wasStorm = isStorm;
    this.#entered = 0;
    this.#refused = 0;
  }

  #refuse(): false {
    this.#refused += 1;
    return false;
  }

  #forget(): void {
    this.#expected = 0;
  }
}
