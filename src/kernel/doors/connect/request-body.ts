import type { FrameFlags } from './frame-flags.ts';
import type { HttpRequest } from './http-route.ts';

/**
 * The body of a request as Connect reads it. Unlike the iterator of Node's own, it leaves the connection alone when reading stops before
 * the end: what is left is read and forgotten by the edge of the door.
 */
export class RequestBody implements AsyncIterable<Uint8Array> {
  readonly #request: HttpRequest;
  readonly #flags: FrameFlags | undefined;
  #chunks: AsyncIterator<Uint8Array> | undefined;
  /** What `whole` has read. */
  readonly #read: Uint8Array[] = [];
  #failure: unknown;
  #reject: ((error: unknown) => void) | undefined;

  /** With `flags`, these are looked at as the body is read. */
  constructor(request: HttpRequest, flags?: FrameFlags) {
    this.#request = request;
    this.#flags = flags;
  }

  /** Whoever reads gets this error. */
  fail(error: unknown): void {
    this.#failure = error;
    this.#reject?.(error);
  }

  /**
   * All of it. Undefined when it is longer than `most` bytes, is not of the length that was promised, or cannot be read: whoever iterates
   * it afterwards comes to the same.
   */
  async whole(most: number, promised: string | undefined): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (Number(promised ?? 0) > most) return undefined;
    let length = 0;
    try {
      for (let chunk = await this.#next(); !chunk.done; chunk = await this.#next()) {
        this.#read.push(chunk.value);
        length += chunk.value.byteLength;
        if (length > most) return undefined;
      }
    } catch (error) {
      this.#failure = error;
      return undefined;
    }
    return promised === undefined || Number(promised) === length ? Buffer.concat(this.#read) : undefined;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: async () => {
        const value = this.#read.shift();
        return value ? { done: false, value } : await this.#next();
      },
      return: async () => {
        await this.#chunks?.return?.();
        return { done: true, value: undefined };
      },
    };
  }

  #next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      this.#readNext().then(resolve, reject);
    });
  }

  async #readNext(): Promise<IteratorResult<Uint8Array>> {
    this.#chunks ??= this.#request.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
    const chunk = await this.#chunks.next();
    if (!chunk.done) this.#flags?.check(chunk.value);
    return chunk;
  }
}
