import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { EdgeLimits } from './edge-limits.ts';

/** A body that nobody waits for is still read when it is no longer than this, because that is cheaper than another connection. */
const MOST_TO_FORGET = 64 * 1024;
/** How much of a request is read after its answer, and for how long in milliseconds, so that the answer is not lost (RFC 9112, 9.6). */
const MOST_AFTERWARDS = 16 * 1024 * 1024;
const LINGER_MS = 5_000;

/** One connection over HTTP/1.1. The times for requests and for idling are Node's own: see `HttpServer`. */
export class Http1Connection {
  readonly #socket: Socket;
  readonly #limits: EdgeLimits;
  readonly #diesAt: number;
  #now: number;
  #idleSince: number;
  readonly #answers = new Set<ServerResponse>();
  #isLeaving = false;
  #lingersSince: number | undefined;
  #flushed = 0;
  #flushedAt: number;

  constructor(socket: Socket, { limits, now }: { limits: EdgeLimits; now: number }) {
    this.#socket = socket;
    this.#limits = limits;
    this.#now = now;
    this.#idleSince = now;
    this.#flushedAt = now;
    this.#diesAt = now + limits.ageMs * (0.9 + 0.2 * Math.random());
  }

  get isIdle(): boolean {
    return this.#answers.size === 0;
  }

  get idleSince(): number {
    return this.#idleSince;
  }

  /** Whether an answer is under way of which something has been sent. */
  get hasBegunToAnswer(): boolean {
    return [...this.#answers].some(({ headersSent }) => headersSent);
  }

  /** Watches a call. False when it came after the last one that the connection takes, and nobody has to do with it. */
  admits(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.#lingersSince !== undefined) {
      request.resume();
      return false;
    }
    this.#answers.add(response);
    if (this.#now > this.#diesAt) this.#isLeaving = true;
    if (this.#isLeaving) response.shouldKeepAlive = false;
    else if (response.shouldKeepAlive && !isShort(request)) {
      // What has not been read when it is answered is not worth waiting for; the caller has to be told then.
      response.shouldKeepAlive = false;
      request.once('end', () => {
        if (!response.headersSent) response.shouldKeepAlive = !this.#isLeaving;
      });
    }
    response.once('prefinish', () => this.#answered(request));
    response.once('close', () => {
      this.#answers.delete(response);
      this.#idleSince = this.#now;
    });
    return true;
  }

  /** The next answer is the last, and says so. */
  leave(): void {
    this.#isLeaving = true;
    for (const response of this.#answers) if (!response.headersSent) response.shouldKeepAlive = false;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** One round. True when the connection is to be cut. */
  inspect(now: number): boolean {
    this.#now = now;
    if (this.#lingersSince !== undefined && now - this.#lingersSince > LINGER_MS) return true;
    const { writableLength, bytesWritten } = this.#socket;
    const flushed = bytesWritten - writableLength;
    if (writableLength === 0 || flushed > this.#flushed) {
      this.#flushed = flushed;
      this.#flushedAt = now;
    }
    return now - this.#flushedAt > this.#limits.answerMs;
  }

  /** Reads and forgets what is left of the request. */
  #answered(request: IncomingMessage): void {
    if (request.complete) return;
    let left = MOST_AFTERWARDS;
    request.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) this.#socket.destroy();
    });
    request.resume();
    // Node would close at once, and the caller, still sending, would be told of that and not of the answer.
    this.#socket.destroySoon = () => {
      this.#lingersSince = this.#now;
      this.#socket.end();
    };
  }
}

function isShort({ headers }: IncomingMessage): boolean {
  if (headers['transfer-encoding'] !== undefined) return false;
  return Number(headers['content-length'] ?? 0) <= MOST_TO_FORGET;
}
