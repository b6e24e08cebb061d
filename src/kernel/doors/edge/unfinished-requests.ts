/** What a call costs before its message: the stream, its header, the objects around it. */
const BYTES_A_CALL = 16 * 1024;
/** Of a larger message only so much is counted beforehand, and the rest as it comes. */
const MOST_BEFOREHAND = 64 * 1024;

/**
 * The memory that requests may take before they are whole, in one process. A request counts from its header on as what its contract
 * allows, because its caller decides when the rest comes.
 */
export class UnfinishedRequests {
  readonly #most: number;
  #bytes = 0;

  constructor(mostBytes: number) {
    this.#most = mostBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Begins a request of at most `largest` bytes and answers what it counts for: 0 when there is no room. `end` has to follow. */
  begin(largest: number): number {
    const bytes = BYTES_A_CALL + Math.min(largest, MOST_BEFOREHAND);
    if (this.#bytes + bytes > this.#most) return 0;
    this.#bytes += bytes;
    return bytes;
  }

  end(bytes: number): void {
    this.#bytes -= bytes;
  }

  /**
   * Has `stream` count what comes beyond what was counted for it beforehand. `tooMuch` is called when there is no room left for it;
   * the answer tells how much has been added.
   */
  countRest(stream: { push: (chunk: Buffer | null) => boolean }, tooMuch: () => void): () => number {
    const push = stream.push;
    let received = 0;
    let added = 0;
    stream.push = (chunk) => {
      received += chunk?.length ?? 0;
      const more = Math.max(0, received - MOST_BEFOREHAND) - added;
      added += more;
      this.#bytes += more;
      if (this.#bytes > this.#most && more > 0) tooMuch();
      return push.call(stream, chunk);
    };
    return () => added;
  }

  static isLarge(largest: number): boolean {
    return largest > MOST_BEFOREHAND;
  }
}
