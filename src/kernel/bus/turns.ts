/** One at a time for each name, first come, first served. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Whether somebody has the turn of that name. */
  isTaken(name: string): boolean {
    return this.#last.has(name);
  }

  async take<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name);
    const turn = before ? before.then(work, work) : work();
    this.#last.set(name, turn);
    try {
      return await turn;
    } finally {
      if (this.#last.get(name) === turn) this.#last.delete(name);
    }
  }
}
