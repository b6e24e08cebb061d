import type { Change } from './changes.ts';
import type { Outcome } from './watched-list.ts';

/** How many aggregates a watcher may have to be told of. */
const MOST = 256;

/** What somebody who watches a list is still to be told. It keeps the latest change of each aggregate, and no more than so many. */
export class Watcher<Row> {
  #pending = new Map<string, { readonly change: Change<Row>; readonly outcome: Outcome }>();
  #told: bigint;
  #isBehind = false;
  #wake: (() => void) | undefined;
  readonly #most: number;

  /** Everything up to `told` was told. */
  constructor(told: bigint, most = MOST) {
    this.#told = told;
    this.#most = most;
  }

  /** Whether it has lost count: what it is to be told has to be read. */
  get isBehind(): boolean {
    return this.#isBehind;
  }

  /** What comes again about an aggregate takes the place of what came before, behind all others. */
  offer(change: Change<Row>, outcome: Outcome): void {
    if (this.#isBehind || change.place <= this.#told) return;
    if (!this.#pending.delete(change.id) && this.#pending.size >= this.#most) {
      this.#pending.clear();
      this.#isBehind = true;
    } else {
      this.#pending.set(change.id, { change, outcome });
    }
    this.wake();
  }

  /** What it is to be told, in the order of the feed. */
  take(): readonly { readonly change: Change<Row>; readonly outcome: Outcome }[] {
    if (this.#pending.size === 0) return [];
    const taken = [...this.#pending.values()];
    this.#pending = new Map();
    return taken;
  }

  wake(): void {
    this.#wake?.();
  }

  /** Resolves when there is something for it, when the time is over, or when the signal aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#isBehind || this.#pending.size > 0 || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
      this.#wake = done;
    });
  }
}
