/** How long a batch should take, in milliseconds: short enough to be cancelled, and not to hold up the seals of the log. */
const GOAL = 200;
const SMALLEST = 500;
const LARGEST = SMALLEST * 128;

/** How much a batch takes at once. Few sizes, so that the statements are few. */
export class BatchSize {
  #size = 4_000;

  get value(): number {
    return this.#size;
  }

  /** The smallest size that has room for so many. */
  static roomFor(count: number): number {
    let size = SMALLEST;
    while (size < count) size *= 2;
    return size;
  }

  /** What a batch of this size took. */
  learn(ms: number): void {
    if (ms < GOAL / 2 && this.#size < LARGEST) this.#size *= 2;
    else if (ms > GOAL * 2 && this.#size > SMALLEST) this.#size /= 2;
  }
}
