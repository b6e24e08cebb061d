import { setTimeout as sleep } from 'node:timers/promises';
import type { CompiledQuery } from 'kysely';
import type { Cancellation } from '../bus/cancellation.ts';
import { Overloaded } from '../bus/errors.ts';
import type { Reader } from '../database/read/reader.ts';
import { errorCode, translateSqlError } from '../database/sql-errors.ts';

/** Something with its place in a list that grows at its end. Shared by all who follow the list: nobody changes it. */
export interface Entry {
  readonly place: bigint;
}

/** Some of a list behind a place. */
export interface Page<E extends Entry> {
  readonly entries: readonly E[];
  /** Up to here nothing is left out but what the list does not have, or the reader does not want. */
  readonly end: bigint;
}

export type Rows = Pick<Reader, 'rows'>;

/** How a list is read. Its places have no gaps, and nothing appears behind a place that was passed. */
export interface List<E extends Entry> {
  /** The last place. */
  readonly last: (read: Rows) => Promise<bigint>;
  /** What is behind a place, over `pageSize` places at most. */
  readonly page: (read: Rows, after: bigint) => Promise<Page<E>>;
  readonly pageSize: number;
  /** About how much memory an entry takes, in bytes. */
  readonly size: (entry: E) => number;
}

/** What is told of the end of the list when it grows; without it, the list is looked at again and again. */
export interface News {
  /** The last place, as the primary said last. */
  readonly lastSequence: number;
  /** Has `wake` called when the list has grown, until the returned function is called. */
  readonly onNews: (wake: () => void) => () => void;
}

/** How often the list is looked at. */
export interface TailTimes {
  /** From one look to the next when nothing is told, in milliseconds. */
  readonly pollMs: number;
  readonly news?: News | undefined;
}

/** Told of what comes at the end of the list. */
export interface TailListener<E extends Entry> {
  /** What was just read: they are kept now, and `end` is behind them. */
  readonly came: (entries: readonly E[]) => void;
  /** Nothing comes any more: `next` throws. */
  readonly failed: () => void;
}

/** How much of the end of the list is kept: entries, and bytes. */
const MOST_ENTRIES = 1_000;
const MOST_BYTES = 4 * 1024 * 1024;

/** The first pause of a reader that found less than it was told of, in milliseconds: a replica is about to have it. */
const SHORTEST_PAUSE = 2;

/** serialization_failure: on a standby, a query that was in the way of replay (PostgreSQL manual 26.4.2). */
const CANCELED_BY_REPLAY = '40001';

/**
 * The end of a list in memory, read once for all streams that follow it, however many they are: one statement a look while somebody
 * follows, and one at a time for all who are further behind than what is kept.
 */
export class Tail<E extends Entry> {
  /** Resolves when it knows where the list ends; `next` and `page` are asked after that. */
  readonly started: Promise<void>;
  readonly #read: Rows;
  readonly #list: List<E>;
  readonly #cancellation: Cancellation;
  readonly #times: TailTimes;
  readonly #entries: E[] = [];
  #bytes = 0;
  /** What is behind `#start`, up to `#end`, is in `#entries`. */
  #start = 0n;
  #end = 0n;
  #failure: { readonly error: unknown } | undefined;
  readonly #wake = new Set<() => void>();
  readonly #listeners = new Set<TailListener<E>>();
  /** Pages that are being read, by what they are of and begin behind: who wants the same one waits for it. */
  readonly #pages = new Map<string, Promise<unknown>>();
  #lastRead: Promise<unknown> = Promise.resolve();
  #pauseMs = SHORTEST_PAUSE;

  /** `read` ends with the cancellation. */
  constructor(read: Rows, { list, cancellation, ...times }: { list: List<E>; cancellation: Cancellation } & TailTimes) {
    this.#read = { rows: (statement, parameters) => this.#rows(read, statement, parameters) };
    this.#list = list;
    this.#cancellation = cancellation;
    this.#times = times;
    this.started = this.#begin();
    this.started.catch(() => undefined);
    void this.#run();
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** How far it has read: nothing up to here is still to come. */
  get end(): bigint {
    return this.#end;
  }

  /** The last place of the list. */
  last(): Promise<bigint> {
    return this.#once('last', () => this.#list.last(this.#read));
  }

  /**
   * The first entry behind the place; undefined when there is none yet, and `'not kept'` when the place is so far behind that a page has
   * to be read. Throws what the reading failed with.
   */
  next(place: bigint): E | undefined | 'not kept' {
    this.throwFailure();
    if (place < this.#start) return 'not kept';
    if (place >= this.#end) return undefined;
    // Places are consecutive but for what the list does not have, so that the entry is here or before.
    const first = this.#entries[0]?.place ?? this.#end;
    let index = Math.max(0, Math.min(Number(place - first) + 1, this.#entries.length));
    while (index > 0 && (this.#entries[index - 1]?.place ?? 0n) > place) index -= 1;
    return this.#entries[index];
  }

  /** Reads a page behind a place that is not kept. */
  page(place: bigint): Promise<Page<E>> {
    return this.#once(String(place), async () => {
      const page = await this.#list.page(this.#read, place);
      // The list no longer has what is behind the place, up to what is kept.
      return page.end > place || place >= this.#start ? page : { ...page, end: this.#start };
    });
  }

  /** The same of a part of the list, or of what the list is about: `name` says which, and `read` reads it up to a place that it can count on. */
  partOf<T>(name: string, place: bigint, read: (read: Rows, end: bigint) => Promise<T>): Promise<T> {
    return this.#once(`${place} ${name}`, () => read(this.#read, this.#end));
  }

  /** Throws what the reading failed with, if it did. */
  throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }

  /** Has the listener told of what comes from now on, at once and all of it. It ends with the tail. */
  listen(listener: TailListener<E>): void {
    this.#listeners.add(listener);
    if (this.#failure) listener.failed();
  }

  /** Resolves when something has come, when the time is over, or when the signal ends the wait. */
  news(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#wake.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
      this.#wake.add(done);
      if (signal.aborted || this.#failure) done();
    });
  }

  async #begin(): Promise<void> {
    this.#start = this.#end = await this.#list.last(this.#read);
  }

  async #run(): Promise<void> {
    try {
      await this.started;
      while (!this.#cancellation.reason) {
        const { entries, end } = await this.#list.page(this.#read, this.#end);
        const places = end - this.#end;
        this.#end = end;
        this.#keep(entries);
        for (const { came } of this.#listeners) came(entries);
        if (places > 0n) this.#wakeAll();
        if (places < this.#list.pageSize) await this.#rest(places > 0n);
      }
    } catch (error) {
      this.#failure = { error };
      for (const { failed } of this.#listeners) failed();
      this.#wakeAll();
    }
  }

  #keep(entries: readonly E[]): void {
    for (const entry of entries) {
      this.#entries.push(entry);
      this.#bytes += this.#list.size(entry);
    }
    while (this.#entries.length > MOST_ENTRIES || this.#bytes > MOST_BYTES) {
      const oldest = this.#entries.shift();
      if (!oldest) break;
      this.#bytes -= this.#list.size(oldest);
      this.#start = oldest.place;
    }
  }

  #wakeAll(): void {
    for (const wake of [...this.#wake]) wake();
  }

  /** One after the other, whoever asks: those who are far behind take no more than one connection together. */
  #once<T>(name: string, read: () => Promise<T>): Promise<T> {
    const known = this.#pages.get(name) as Promise<T> | undefined;
    if (known) return known;
    const page = this.#lastRead.then(read).finally(() => this.#pages.delete(name));
    this.#pages.set(name, page);
    this.#lastRead = page.catch(() => undefined);
    return page;
  }

  /** A database that is busy, or a standby that has to go on with its replay, is asked again a little later. */
  async #rows<Row>(read: Rows, statement: CompiledQuery<Row>, parameters?: readonly unknown[]): Promise<Row[]> {
    for (;;) {
      try {
        return await read.rows(statement, parameters);
      } catch (error) {
        if (this.#cancellation.reason) throw error;
        if (errorCode(error) !== CANCELED_BY_REPLAY && !(translateSqlError(error) instanceof Overloaded)) throw error;
        await this.#pause(this.#times.pollMs);
      }
    }
  }

  /** Until there is news. One that was told of more than it found, as on a replica, looks again soon, and less and less soon. */
  async #rest(hasFound: boolean): Promise<void> {
    const { pollMs, news } = this.#times;
    if (hasFound) this.#pauseMs = SHORTEST_PAUSE;
    const isBehind = news !== undefined && BigInt(news.lastSequence) > this.#end;
    if (!isBehind) {
      const isTold = await this.#pause(pollMs, news);
      if (isTold) this.#pauseMs = SHORTEST_PAUSE;
      return;
    }
    await this.#pause(this.#pauseMs);
    this.#pauseMs = Math.min(2 * this.#pauseMs, pollMs);
  }

  /** Whether there was news before the time was over. */
  async #pause(ms: number, news?: News): Promise<boolean> {
    const { signal } = this.#cancellation;
    if (!news) {
      await sleep(ms, undefined, { signal }).catch(() => undefined);
      return false;
    }
    const woken = new AbortController();
    const forget = news.onNews(() => woken.abort());
    await sleep(ms, undefined, { signal: AbortSignal.any([signal, woken.signal]) }).catch(() => undefined);
    forget();
    return woken.signal.aborted;
  }
}
