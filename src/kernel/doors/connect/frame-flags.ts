import { Code, ConnectError } from '@connectrpc/connect';

/** Before each message stand its flags and its length (PROTOCOL-HTTP2.md, Length-Prefixed-Message; Connect has the same). */
const HEAD_BYTES = 5;
const COMPRESSED = 1;

/**
 * Looks at the flags before each message of a request as its bytes come. Connect's handlers look at those that they know alone; the rest is
 * reserved for what would change the meaning of a message, and only an answer marks its end.
 */
export class FrameFlags {
  #seenOfHead = 0;
  #length = 0;
  #leftOfMessage = 0;

  /** Throws when a message has a flag that no request has. */
  check(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const skipped = Math.min(this.#leftOfMessage, chunk.length - at);
      this.#leftOfMessage -= skipped;
      at += skipped;
      for (; this.#leftOfMessage === 0 && at < chunk.length; at += 1) this.#readHead(chunk[at] ?? 0);
    }
  }

  #readHead(byte: number): void {
    if (this.#seenOfHead > 0) this.#length = this.#length * 256 + byte;
    else if (byte > COMPRESSED) throw new ConnectError('a message has an unknown flag', Code.InvalidArgument);
    this.#seenOfHead += 1;
    if (this.#seenOfHead < HEAD_BYTES) return;
    this.#leftOfMessage = this.#length;
    this.#seenOfHead = 0;
    this.#length = 0;
  }
}
