import type { CallGauge } from '../bus/call-gauge.ts';
import type { CallKind, MessageKind } from '../bus/convention.ts';
import { RefusalQueue } from './refusal-queue.ts';

/** How often refusals are reported, in milliseconds. */
const REPORT_EVERY = 1_000;

/** What decides whether a call is refused before it is one. */
export interface OverloadOptions {
  readonly gauges: { readonly commands: Pick<CallGauge, 'expect'>; readonly queries: Pick<CallGauge, 'expect'> };
  /** Told once a second at most how many calls were refused since the last time. */
  readonly report: (refused: number) => void;
  /** Told of each. */
  readonly onShed?: (kind: MessageKind) => void;
}

/**
 * Refuses calls at a door, with the answer that the pipeline would give. A refusal by way of the door's library and the pipeline costs 60
 * to 100 µs; a flood of them would take the time from the calls that were let through. Here it is no more than Node needs for a request,
 * and sent at a pace: see RefusalQueue.
 */
export class Overload<C> {
  readonly #options: OverloadOptions;
  readonly #queue: RefusalQueue<C>;
  #refused = 0;

  constructor(options: OverloadOptions, answer: (call: C) => void) {
    this.#options = options;
    this.#queue = new RefusalQueue(answer);
  }

  /**
   * True when the call is refused, now or soon, and nobody else has to do with it. Streams have a limit of their own, and are few; what
   * stands beside the bus, such as health checks, is never refused for load.
   */
  refuses(call: C, { kind, connection }: { kind: CallKind | undefined; connection: object }): boolean {
    if (kind === undefined || kind === 'stream') return false;
    const { commands, queries } = this.#options.gauges;
    if ((kind === 'command' ? commands : queries).expect()) return false;
    this.#count();
    this.#options.onShed?.(kind);
    this.#queue.add(call, connection);
    return true;
  }

  #count(): void {
    this.#refused += 1;
    if (this.#refused > 1) return;
    setTimeout(() => {
      this.#options.report(this.#refused);
      this.#refused = 0;
    }, REPORT_EVERY).unref();
  }
}
