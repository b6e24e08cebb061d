/**
 * The end of a call before its answer: the caller gave up or the deadline passed.
 *
 * The AbortSignal is made when somebody asks for it, because most calls end without one being needed.
 */
export class Cancellation {
  #controller: AbortController | undefined;
  #reason: Error | undefined;

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

  /** The first reason stays. */
  cancel(reason: Error): void {
    if (this.#reason) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}
