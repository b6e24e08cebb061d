import { Conflict } from '../../kernel/bus/errors.ts';

/**
 * Rows that a repository keeps beside aggregates, such as sessions, for one try of a command. What is written is kept when the command
 * commits; a row that somebody else wrote meanwhile has the command tried again.
 */
export class MemoryTable<Row extends object> {
  /** What is stored now, for what a repository does outside the transaction. */
  readonly stored: Map<string, Row>;
  readonly #read = new Map<string, Row | undefined>();
  readonly #written = new Map<string, Row | undefined>();

  constructor(stored: Map<string, Row>) {
    this.stored = stored;
  }

  get(key: string): Row | undefined {
    if (this.#written.has(key)) return this.#written.get(key);
    if (!this.#read.has(key)) this.#read.set(key, this.stored.get(key));
    return this.#read.get(key);
  }

  set(key: string, row: Row): void {
    this.get(key);
    this.#written.set(key, { ...row });
  }

  delete(key: string): void {
    this.get(key);
    this.#written.set(key, undefined);
  }

  /** Throws Conflict when a row that is written was written by somebody else since it was read. */
  check(): void {
    for (const key of this.#written.keys()) if (this.stored.get(key) !== this.#read.get(key)) throw new Conflict();
  }

  commit(): void {
    for (const [key, row] of this.#written) {
      if (row) this.stored.set(key, row);
      else this.stored.delete(key);
    }
  }
}
