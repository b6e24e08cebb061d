import type { Call } from '../cqrs/call.ts';
import { BusError } from '../cqrs/errors.ts';

/** The server stops, and the call took longer than the time that was left. It can be sent again, to another instance. */
export class ShuttingDown extends BusError {
  readonly reason = 'SHUTTING_DOWN';
  readonly kind = 'unavailable';
  override readonly retryAfterMs = 1000;
  constructor() {
    super('the server is shutting down');
  }
}

/** The calls of a door that are not answered yet. */
export class CallsInFlight {
  readonly #calls = new Set<Call>();

  add(call: Call): void {
    this.#calls.add(call);
  }

  has(call: Call): boolean {
    return this.#calls.has(call);
  }

  delete(call: Call): void {
    this.#calls.delete(call);
  }

  /** Answers those that remain with ShuttingDown. */
  cancelAll(): void {
    for (const call of this.#calls) call.cancellation.cancel(new ShuttingDown());
  }
}
