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
  readonly #within: CallGauge | undefined;
  #inFlight = 0;
  #expected = 0;

  constructor(limit: number, { within }: { within?: CallGauge } = {}) {
    this.#limit = limit;
    this.#within = within;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Whether there is room for a call that is on its way to the pipeline. */
  expect(): boolean {
    if (this.#inFlight + this.#expected >= this.#limit) return false;
    if (this.#expected === 0) setImmediate(() => this.#forget());
    this.#expected += 1;
    return true;
  }

  /** Whether there is room for a call; true has to be followed by `leave`. */
  enter(): boolean {
    if (this.#inFlight >= this.#limit || this.#within?.enter() === false) return false;
    this.#inFlight += 1;
    if (this.#expected > 0) this.#expected -= 1;
    return true;
  }

  leave(): void {
    this.#inFlight -= 1;
    this.#within?.leave();
  }

  #forget(): void {
    this.#expected = 0;
  }
}
