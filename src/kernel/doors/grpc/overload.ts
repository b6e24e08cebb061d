import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { CallGauge } from '../../bus/call-gauge.ts';
import type { MessageKind } from '../../bus/convention.ts';
import { Overloaded } from '../../bus/errors.ts';
import { toConnectError, type UnexpectedErrors } from '../../middleware/errors.ts';
import { IN_FLIGHT } from '../../middleware/load-shedding.ts';
import { statusHeaders } from './request-form.ts';

/** How often refusals are reported, in milliseconds. */
const REPORT_EVERY = 1_000;
/** Answers made in advance, which differ in when to come back. */
const VARIANTS = 32;
/**
 * Refusals in one turn of the event loop, each of about 25 µs. More would be a danger too: Node keeps a finished stream for another
 * turn, and ends a connection when a hundred streams come for which there is no room. A caller with all its streams open replaces each
 * one as soon as it is refused.
 */
const PER_TURN = 32;

/** What decides whether a call is refused before it is one. */
export interface OverloadOptions {
  readonly gauges: { readonly commands: Pick<CallGauge, 'expect'>; readonly queries: Pick<CallGauge, 'expect'> };
  /** Told once a second at most how many calls were refused since the last time. */
  readonly report: (refused: number) => void;
  /** Told of each. */
  readonly onShed?: (kind: MessageKind) => void;
}

/**
 * Refuses calls on the HTTP/2 stream itself, with the answer that the pipeline would give. A refusal by way of grpc-js and the pipeline
 * costs 60 to 100 µs; a flood of them would take the time from the calls that were let through.
 *
 * This way it is no more than Node needs for a stream, which callers who come back at once could still use up all the time by. So a
 * turn of the event loop has room for a number of refusals; the rest waits for the next turns, and such callers with it.
 */
export class Overload {
  readonly #options: OverloadOptions;
  readonly #answers: readonly OutgoingHttpHeaders[];
  readonly #held: ServerHttp2Stream[] = [];
  #left = PER_TURN;
  #variant = 0;
  #refused = 0;

  constructor(options: OverloadOptions, unexpected: UnexpectedErrors) {
    this.#options = options;
    this.#answers = Array.from({ length: VARIANTS }, () =>
      statusHeaders(toConnectError(new Overloaded(IN_FLIGHT), undefined, unexpected)),
    );
  }

  /** True when the call is refused, now or soon, and nobody else has to do with it. */
  refuses(stream: ServerHttp2Stream, kind: MessageKind): boolean {
    const { commands, queries } = this.#options.gauges;
    if ((kind === 'command' ? commands : queries).expect()) return false;
    this.#count();
    this.#options.onShed?.(kind);
    // A caller that goes away at the same time is nobody's error.
    stream.on('error', ignore);
    // What the caller still sends is read and forgotten, so that its connection can go on.
    stream.resume();
    if (this.#left === PER_TURN) setImmediate(() => this.#nextTurn());
    if (this.#left > 0) this.#refuse(stream);
    else this.#held.push(stream);
    return true;
  }

  /** Those that wait come first. */
  #nextTurn(): void {
    this.#left = PER_TURN;
    const waiting = this.#held.splice(0, PER_TURN);
    if (waiting.length > 0) setImmediate(() => this.#nextTurn());
    for (const stream of waiting) this.#refuse(stream);
  }

  #refuse(stream: ServerHttp2Stream): void {
    this.#left -= 1;
    this.#variant = (this.#variant + 1) % VARIANTS;
    if (!stream.destroyed && !stream.closed) stream.respond(this.#answers[this.#variant], { endStream: true });
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

const ignore = (): void => {};
