import type { FrameFlags } from './frame-flags.ts';
import type { HttpRequest } from './http-route.ts';

/**
 * The body of a request as Connect reads it. Unlike the iterator of Node's own, it leaves the connection alone when reading stops before
 * the end: what is left is read and forgotten by the edge of the door.
 */
export class RequestBody implements AsyncIterable<Uint8Array> {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #flags: FrameFlags | undefined;
  #failure: unknown;
  #reject: ((error: unknown) => void) | undefined;

  /** With `flags`, these are looked at as the body is read. */
  constructor(request: HttpRequest, flags?: FrameFlags) {
    this.#chunks = request.iterator({ destroyOnReturn: false });
    this.#flags = flags;
  }

  /** Whoever reads gets this error. */
  fail(error: unknown): void {
    this.#failure = error;
    this.#reject?.(error);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: () => {
        if (this.#failure !== undefined) return Promise.reject(this.#failure);
        return new Promise((resolve, reject) => {
          this.#reject = reject;
          this.#read().then(resolve, reject);
        });
      },
      return: async () => {
        await this.#chunks.return?.();
        return { done: true, value: undefined };
      },
    };
  }

  async #read(): Promise<IteratorResult<Uint8Array>> {
    const chunk = await this.#chunks.next();
    if (!chunk.done) this.#flags?.check(chunk.value);
    return chunk;
  }
}
