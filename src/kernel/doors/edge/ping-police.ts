import type { ServerHttp2Session } from 'node:http2';

const MAX_STRIKES = 2;
/** What the acknowledgement of a ping adds to the bytes sent: a frame header and eight bytes (RFC 9113, 6.7). */
const PING_ACK_BYTES = 17;
/** Timers of callers are not exact: by so much a ping may come before its time. */
const TOLERANCE = 0.9;

/** Counts the pings of one connection that come too early (gRFC A8), and tells of the third in a row. */
export class PingPolice {
  readonly #session: ServerHttp2Session;
  readonly #minIntervalMs: number;
  readonly #tooMany: () => void;
  #strikes = 0;
  #lastPing = Number.NEGATIVE_INFINITY;
  #bytesSent = 0;

  constructor(session: ServerHttp2Session, { minIntervalMs, tooMany }: { minIntervalMs: number; tooMany: () => void }) {
    this.#session = session;
    this.#minIntervalMs = minIntervalMs;
    this.#tooMany = tooMany;
    session.on('ping', () => this.#onPing());
  }

  #onPing(): void {
    const { bytesWritten } = this.#session.socket;
    // Clients measure the bandwidth by pings when they receive data; those are no offence.
    const sentSomething = bytesWritten - this.#bytesSent > PING_ACK_BYTES;
    this.#bytesSent = bytesWritten;
    const now = performance.now();
    const early = now - this.#lastPing < this.#minIntervalMs * TOLERANCE;
    this.#lastPing = now;
    if (sentSomething) this.#strikes = 0;
    else if (early) this.#strikes += 1;
    if (this.#strikes > MAX_STRIKES) this.#tooMany();
  }
}
