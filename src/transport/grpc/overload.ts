import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { Overloaded } from '../../cqrs/errors.ts';
import type { CallGauge } from '../../middleware/call-gauge.ts';
import { toConnectError, type UnexpectedErrors } from '../../middleware/errors.ts';
import { IN_FLIGHT } from '../../middleware/load-shedding.ts';
import { toStatus } from './status.ts';

/** How often refusals are reported, in milliseconds. */
const REPORT_EVERY = 1_000;
/** Answers made in advance, which differ in when to come back. */
const VARIANTS = 32;
/** Refusals in each millisecond, of about 25 µs. */
const PER_MS = 5;
/** Refusals at once after a while without any. */
const BURST = 500;
/** Calls that wait for their refusal; one more is refused at once. */
const MOST_HELD = 1_000;
/** Between two looks at those, in milliseconds. */
const LOOK_EVERY = 2;

/** What decides whether a call is refused before it is one. */
export interface OverloadOptions {
  readonly gauge: CallGauge;
  /** Told once a second at most how many calls were refused since the last time. */
  readonly report: (refused: number) => void;
}

/**
 * Refuses calls on the HTTP/2 stream itself, with the answer that the pipeline would give. A refusal by way of grpc-js and the pipeline
 * costs 60 to 100 µs; a flood of them would take the time from the calls that were let through.
 *
 * This way it is no more than Node needs for a stream, which callers who come back at once could still use up all the time by. So
 * refusals have a share of an eighth of it: what is beyond waits for its refusal, 0.2 s at most, and such callers with it.
 */
export class Overload {
  readonly #options: OverloadOptions;
  readonly #answers: readonly OutgoingHttpHeaders[];
  readonly #held: ServerHttp2Stream[] = [];
  #allowance = BURST;
  #allowedAt = 0;
  #refused = 0;

  constructor(options: OverloadOptions, unexpected: UnexpectedErrors) {
    this.#options = options;
    this.#answers = Array.from({ length: VARIANTS }, () => refusal(unexpected));
  }

  /** True when the call is refused, now or soon, and nobody else has to do with it. */
  refuses(stream: ServerHttp2Stream): boolean {
    if (this.#options.gauge.expect()) return false;
    this.#count();
    // A caller that goes away at the same time is nobody's error.
    stream.on('error', ignore);
    // What the caller still sends is read and forgotten, so that its connection can go on.
    stream.resume();
    if ((this.#held.length === 0 && this.#allow()) || this.#held.length >= MOST_HELD) this.#refuse(stream);
    else this.#hold(stream);
    return true;
  }

  #allow(): boolean {
    const now = performance.now();
    this.#allowance = Math.min(BURST, this.#allowance + (now - this.#allowedAt) * PER_MS);
    this.#allowedAt = now;
    if (this.#allowance < 1) return false;
    this.#allowance -= 1;
    return true;
  }

  #hold(stream: ServerHttp2Stream): void {
    this.#held.push(stream);
    if (this.#held.length === 1) setTimeout(() => this.#release(), LOOK_EVERY);
  }

  #release(): void {
    let released = 0;
    while (released < this.#held.length && this.#allow()) released += 1;
    for (const stream of this.#held.splice(0, released)) this.#refuse(stream);
    if (this.#held.length > 0) setTimeout(() => this.#release(), LOOK_EVERY);
  }

  #refuse(stream: ServerHttp2Stream): void {
    if (!stream.destroyed && !stream.closed) stream.respond(this.#answers[this.#refused % VARIANTS], { endStream: true });
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

function refusal(unexpected: UnexpectedErrors): OutgoingHttpHeaders {
  const { code, details, metadata } = toStatus(toConnectError(new Overloaded(IN_FLIGHT), undefined, unexpected));
  return {
    ':status': 200,
    'content-type': 'application/grpc+proto',
    'grpc-status': code,
    'grpc-message': encodeURI(details),
    ...metadata.toHttp2Headers(),
  };
}
