import { constants, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';

/** How often a caller may ping to keep its connection alive, in milliseconds (gRFC A8). */
export interface PingRules {
  /** Between two pings while a call is open: 5 minutes, unless the server has sent something in between. */
  readonly minIntervalMs: number;
  /** Between two pings on a connection without calls: 2 hours. */
  readonly minIdleIntervalMs: number;
}

export const PING_RULES: PingRules = { minIntervalMs: 5 * 60_000, minIdleIntervalMs: 2 * 60 * 60_000 };

const MAX_STRIKES = 2;
/** What the acknowledgement of a ping adds to the bytes sent: a frame header and eight bytes (RFC 9113, 6.7). */
const PING_ACK_BYTES = 17;
/** Time for the GOAWAY to reach the caller before its connection is cut. */
const FAREWELL_MS = 100;

/** Counts the pings of one connection that come too early; after the second it answers GOAWAY too_many_pings and closes it. */
export class PingPolice {
  readonly #session: ServerHttp2Session;
  readonly #rules: PingRules;
  #openStreams = 0;
  #strikes = 0;
  #lastPing = Number.NEGATIVE_INFINITY;
  #bytesSent = 0;

  constructor(session: ServerHttp2Session, rules: PingRules) {
    this.#session = session;
    this.#rules = rules;
    session.on('ping', () => this.#onPing());
  }

  watch(stream: ServerHttp2Stream): void {
    this.#openStreams += 1;
    stream.once('close', () => {
      this.#openStreams -= 1;
    });
  }

  #onPing(): void {
    const { bytesWritten } = this.#session.socket;
    // Clients measure the bandwidth by pings when they receive data; those are no offence.
    const sentSomething = bytesWritten - this.#bytesSent > PING_ACK_BYTES;
    this.#bytesSent = bytesWritten;
    const now = performance.now();
    const minInterval = this.#openStreams > 0 ? this.#rules.minIntervalMs : this.#rules.minIdleIntervalMs;
    const early = now - this.#lastPing < minInterval;
    this.#lastPing = now;
    if (sentSomething) this.#strikes = 0;
    else if (early) this.#strikes += 1;
    if (this.#strikes > MAX_STRIKES) this.#sendAway();
  }

  #sendAway(): void {
    this.#session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from('too_many_pings'));
    setTimeout(() => this.#session.destroy(), FAREWELL_MS).unref();
  }
}
