import { Reason, ReasonSchema } from '#gen/cqrs/v1/reasons_pb.js';
import type { Call } from '../bus/call.ts';
import { domainError } from '../bus/errors.ts';

export class ShuttingDown extends domainError(ReasonSchema, Reason.SHUTTING_DOWN) {
  override readonly retryAfterMs = 1000;
  constructor() {
    super('the server is shutting down');
  }
}

/** How long streams get to end by themselves when the server stops. */
const STREAM_GRACE_MS = 2_000;

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

  /**
   * Answers with ShuttingDown what remains after `graceMs` milliseconds, streams after 2 seconds at most: one that follows something has
   * no end of its own, and its reader can go on elsewhere. Answers what takes that back.
   */
  endWithin(graceMs: number): () => void {
    const end = (isDue: (call: Call) => boolean): void => {
      for (const call of this.#calls) if (isDue(call)) call.cancellation.cancel(new ShuttingDown());
    };
    const timers = [
      setTimeout(end, Math.min(graceMs, STREAM_GRACE_MS), (call: Call) => call.stream),
      setTimeout(end, graceMs, () => true),
    ];
    return () => timers.forEach(clearTimeout);
  }
}
