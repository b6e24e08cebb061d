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

/** What decides whether a call is refused before it is one. */
export interface OverloadOptions {
  readonly gauge: CallGauge;
  /** Told once a second at most how many calls were refused since the last time. */
  readonly report: (refused: number) => void;
}

/**
 * Refuses calls on the HTTP/2 stream itself, with the answer that the pipeline would give. A refusal by way of grpc-js and the pipeline
 * costs 60 to 100 µs; a flood of them would take the time from the calls that were let through.
 */
export class Overload {
  readonly #options: OverloadOptions;
  readonly #answers: readonly OutgoingHttpHeaders[];
  #next = 0;
  #refused = 0;

  constructor(options: OverloadOptions, unexpected: UnexpectedErrors) {
    this.#options = options;
    this.#answers = Array.from({ length: VARIANTS }, () => refusal(unexpected));
  }

  /** True when the call was refused and is over. */
  refuses(stream: ServerHttp2Stream): boolean {
    if (this.#options.gauge.expect()) return false;
    this.#count();
    // A caller that goes away at the same time is nobody's error.
    stream.on('error', ignore);
    this.#next = (this.#next + 1) % VARIANTS;
    if (!stream.destroyed) stream.respond(this.#answers[this.#next], { endStream: true });
    // What the caller still sends is read and forgotten, so that its connection can go on.
    stream.resume();
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
