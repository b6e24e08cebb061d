import { AsyncLocalStorage } from 'node:async_hooks';
import { Cancellation } from '../bus/cancellation.ts';
import { CallCanceled } from '../bus/errors.ts';
import type { Reader } from '../database/read/reader.ts';
import { type Entry, type List, Tail, type TailTimes } from './tail.ts';

/** The tails of a list in an instance, one for each database that streams follow. A tail begins with its first follower and ends with its last. */
export class Tails<E extends Entry> {
  readonly #tails = new Map<string, { readonly tail: Tail<E>; readonly cancellation: Cancellation; followers: number }>();
  readonly #list: List<E>;
  readonly #times: TailTimes;
  /** Runs what serves all followers, as part of none of them. */
  readonly #aside = AsyncLocalStorage.snapshot();

  constructor(list: List<E>, times: TailTimes) {
    this.#list = list;
    this.#times = times;
  }

  /** The tail of the database that the reader is on, for as long as `leave` is not called. */
  join(read: Pick<Reader, 'name' | 'endingWith'>): { readonly tail: Tail<E>; readonly leave: () => void } {
    let shared = this.#tails.get(read.name);
    if (!shared || shared.tail.hasFailed) {
      const cancellation = new Cancellation();
      const options = { list: this.#list, cancellation, ...this.#times };
      const tail = this.#aside(() => new Tail(read.endingWith(cancellation), options));
      shared = { tail, cancellation, followers: 0 };
      this.#tails.set(read.name, shared);
    }
    const joined = shared;
    joined.followers += 1;
    return {
      tail: joined.tail,
      leave: () => {
        joined.followers -= 1;
        if (joined.followers > 0) return;
        joined.cancellation.cancel(new CallCanceled());
        if (this.#tails.get(read.name) === joined) this.#tails.delete(read.name);
      },
    };
  }
}
