import type { HttpRequest } from './http-route.ts';

/**
 * The body of a request as Connect reads it. Unlike the iterator of Node's own, it leaves the connection alone when reading stops before
 * the end: what is left is read and forgotten by the edge of the door.
 */
export class RequestBody implements AsyncIterable<Uint8Array> {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #failure: unknown;
  #reject: ((error: unknown) => void) | undefined;

  constructor(request: HttpRequest) {
    this.#chunks = request.iterator({ destroyOnReturn: false });
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
          this.#chunks.next().then(resolve, reject);
        });
      },
      return: async () => {
        await this.#chunks.return?.();
        return { done: true, value: undefined };
      },
    };
  }
}
