/**
 * The end of a call before its answer: the caller gave up or the deadline passed.
 *
 * The AbortSignal is made when somebody asks for it, because most calls end without one being needed; code on the way of every
 * call uses `onCancel`.
 */
export class Cancellation {
  #controller: AbortController | undefined;
  #reason: Error | undefined;
  #listeners: Set<(reason: Error) => void> | undefined;

  get reason(): Error | undefined {
    return this.#reason;
  }

  /** Aborted with a DomainError: `DeadlinePassed` or `CallCanceled`. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#reason) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Calls the listener once, when the call is canceled. Answers the function that takes it back. */
  onCancel(listener: (reason: Error) => void): () => void {
    this.#listeners ??= new Set();
    const listeners = this.#listeners;
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** The first reason stays. */
  cancel(reason: Error): void {
    if (this.#reason) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
    for (const listener of this.#listeners ?? []) listener(reason);
  }
}
