/** In which headers the protocols tell a timeout, and how Connect's transports write it. */
const CONNECT = 'connect-timeout-ms';
const GRPC = 'grpc-timeout';

/** The time that a call has, in the header of its request: what is sent again has only the rest of it. */
export class Timeout {
  readonly #header: Headers;
  readonly #deadline: number;

  constructor(header: Headers) {
    this.#header = header;
    const ms = header.get(CONNECT) ?? /^(\d+)m$/.exec(header.get(GRPC) ?? '')?.[1];
    this.#deadline = ms === undefined ? Number.POSITIVE_INFINITY : performance.now() + Number(ms);
  }

  /** In milliseconds. */
  left(): number {
    return this.#deadline - performance.now();
  }

  /** Tells the service how much is left. */
  renew(): void {
    const left = Math.max(1, Math.floor(this.left()));
    if (this.#header.has(CONNECT)) this.#header.set(CONNECT, `${left}`);
    if (this.#header.has(GRPC)) this.#header.set(GRPC, `${left}m`);
  }
}
