/** How far an async projection has come on a database, beside what is known to have happened there. */
export class ProjectionPlace {
  readonly #tick: () => number;
  #checkpoint = 0n;
  /** The number of the last event that it takes. */
  #wanted = 0n;
  /** The positions of those that have no number yet. */
  readonly #unnumbered = new Set<number>();
  #caughtUpAt: number | undefined;

  constructor(tick: () => number) {
    this.#tick = tick;
  }

  /** Whether its tables have had, since that tick, all that is known to have happened. */
  hasCaughtUpBefore(tick: number): boolean {
    return this.#caughtUpAt !== undefined && this.#caughtUpAt <= tick;
  }

  /** There is an event that it takes, and that has no number yet. */
  expect(position: number): void {
    this.#unnumbered.add(position);
  }

  /** There is one with that number. */
  want(sequence: bigint, position?: number): void {
    if (position !== undefined) this.#unnumbered.delete(position);
    this.#wanted = sequence;
    if (this.#checkpoint < sequence) this.#caughtUpAt = undefined;
  }

  reached(checkpoint: bigint): void {
    this.#checkpoint = checkpoint;
    if (checkpoint < this.#wanted || this.#unnumbered.size > 0) this.#caughtUpAt = undefined;
    else this.#caughtUpAt ??= this.#tick();
  }
}
