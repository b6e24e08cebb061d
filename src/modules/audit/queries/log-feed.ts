import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import type { CompiledQuery } from 'kysely';
import { type WatchCommandsResponse, WatchCommandsResponseSchema } from '#gen/audit/v1/query_service_pb.js';
import { Cancellation } from '../../../kernel/bus/cancellation.ts';
import { CallCanceled, Overloaded } from '../../../kernel/bus/errors.ts';
import type { Reader } from '../../../kernel/database/read/reader.ts';
import { errorCode, translateSqlError } from '../../../kernel/database/sql-errors.ts';
import { type RecordRow, toCommandRecord } from '../read-model/command-log.ts';
import { lastPlace, placesAfter, recordsAt, SEALED_PAGE } from '../read-model/sealed-records.ts';

/** A record with its place in the log, as it is sent. Shared by all who follow the log: nobody changes it. */
export interface Entry {
  readonly place: bigint;
  readonly message: WatchCommandsResponse;
}

/** Some of the log behind a place. */
export interface Page {
  readonly entries: readonly Entry[];
  /** Up to here nothing is left out but what was pruned. */
  readonly end: bigint;
}

/** How much of the end of the log is kept: records, and characters of their requests. */
const MOST_ENTRIES = 1_000;
const MOST_CHARACTERS = 4 * 1024 * 1024;

/** serialization_failure: on a standby, a query that was in the way of replay (PostgreSQL manual 26.4.2). */
const CANCELED_BY_REPLAY = '40001';

type Read = Pick<Reader, 'rows'>;

/**
 * The end of the log in memory, read once for all streams that follow it, however many they are: one statement each `pollMs` while
 * somebody follows, and one at a time for all who are further behind than what is kept.
 *
 * Places have no gaps and are given in the order of commits, so that nothing can appear behind a place that was passed.
 */
export class LogFeed {
  /** Resolves when it knows where the log ends; `next` and `page` are asked after that. */
  readonly started: Promise<void>;
  readonly #read: Read;
  readonly #cancellation: Cancellation;
  readonly #pollMs: number;
  readonly #entries: (Entry & { readonly characters: number })[] = [];
  #characters = 0;
  /** What is behind `#start`, up to `#end`, is in `#entries`. */
  #start = 0n;
  #end = 0n;
  #failure: { readonly error: unknown } | undefined;
  readonly #wake = new Set<() => void>();
  /** Pages that are being read, by what they begin behind: who wants the same one waits for it. */
  readonly #pages = new Map<bigint | 'last', Promise<Page>>();
  #lastRead: Promise<unknown> = Promise.resolve();

  /** `read` ends with the cancellation. */
  constructor(read: Read, { cancellation, pollMs }: { cancellation: Cancellation; pollMs: number }) {
    this.#read = read;
    this.#cancellation = cancellation;
    this.#pollMs = pollMs;
    this.started = this.#begin();
    this.started.catch(() => undefined);
    void this.#run();
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** The last place of the log. */
  async last(): Promise<bigint> {
    return (await this.#once('last', async () => ({ entries: [], end: await this.#lastPlace() }))).end;
  }

  /**
   * The first entry behind the place; undefined when there is none yet, and `'not kept'` when the place is so far behind that a page has
   * to be read. Throws what the reading failed with.
   */
  next(place: bigint): Entry | undefined | 'not kept' {
    if (this.#failure) throw this.#failure.error;
    if (place < this.#start) return 'not kept';
    if (place >= this.#end) return undefined;
    // Places are consecutive but for what was pruned, so that the entry is here or before.
    const first = this.#entries[0]?.place ?? this.#end;
    let index = Math.max(0, Math.min(Number(place - first) + 1, this.#entries.length));
    while (index > 0 && (this.#entries[index - 1]?.place ?? 0n) > place) index -= 1;
    return this.#entries[index];
  }

  /** Reads a page behind a place that is not kept. */
  page(place: bigint): Promise<Page> {
    return this.#once(place, async () => {
      const page = await this.#readPage(place);
      // The seals themselves were pruned, up to what is kept.
      return page.end > place || place >= this.#start ? page : { ...page, end: this.#start };
    });
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
    this.#start = this.#end = await this.#lastPlace();
  }

  async #run(): Promise<void> {
    try {
      await this.started;
      while (!this.#cancellation.reason) {
        const { entries, end } = await this.#readPage(this.#end);
        const isFull = end - this.#end >= SEALED_PAGE;
        this.#end = end;
        if (entries.length > 0) {
          this.#keep(entries);
          this.#wakeAll();
        }
        if (!isFull) await this.#pause();
      }
    } catch (error) {
      this.#failure = { error };
      this.#wakeAll();
    }
  }

  #keep(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const { value } = entry.message.event;
      const characters = JSON.stringify((value && 'request' in value && value.request) || '').length;
      this.#entries.push({ ...entry, characters });
      this.#characters += characters;
    }
    while (this.#entries.length > MOST_ENTRIES || this.#characters > MOST_CHARACTERS) {
      const oldest = this.#entries.shift();
      if (!oldest) break;
      this.#characters -= oldest.characters;
      this.#start = oldest.place;
    }
  }

  #wakeAll(): void {
    for (const wake of [...this.#wake]) wake();
  }

  /** One after the other, whoever asks: those who are far behind take no more than one connection together. */
  #once(key: bigint | 'last', read: () => Promise<Page>): Promise<Page> {
    let page = this.#pages.get(key);
    if (!page) {
      page = this.#lastRead.then(read).finally(() => this.#pages.delete(key));
      this.#pages.set(key, page);
      this.#lastRead = page.catch(() => undefined);
    }
    return page;
  }

  async #lastPlace(): Promise<bigint> {
    const [last] = await this.#rows(lastPlace);
    return BigInt(last?.sequence ?? 0);
  }

  async #readPage(place: bigint): Promise<Page> {
    const places = await this.#rows(placesAfter, [String(place)]);
    const records = places.length > 0 ? await this.#rows(recordsAt(places)) : [];
    return { entries: records.map(toEntry), end: BigInt(places.at(-1)?.sequence ?? place) };
  }

  /** A database that is busy, or a standby that has to go on with its replay, is asked again a little later. */
  async #rows<Row>(statement: CompiledQuery<Row>, parameters?: readonly unknown[]): Promise<Row[]> {
    for (;;) {
      try {
        return await this.#read.rows(statement, parameters);
      } catch (error) {
        if (this.#cancellation.reason) throw error;
        if (errorCode(error) !== CANCELED_BY_REPLAY && !(translateSqlError(error) instanceof Overloaded)) throw error;
        await this.#pause();
      }
    }
  }

  async #pause(): Promise<void> {
    await sleep(this.#pollMs, undefined, { signal: this.#cancellation.signal }).catch(() => undefined);
  }
}

function toEntry(row: RecordRow): Entry {
  const event = { case: 'command' as const, value: toCommandRecord(row) };
  return { place: BigInt(row.sequence ?? 0), message: create(WatchCommandsResponseSchema, { event }) };
}

/** The feeds of an instance, one for each database that streams follow. A feed begins with its first follower and ends with its last. */
export class LogFeeds {
  readonly #feeds = new Map<string, { readonly feed: LogFeed; readonly cancellation: Cancellation; followers: number }>();
  readonly #pollMs: number;
  /** Runs what serves all followers, as part of none of them. */
  readonly #aside = AsyncLocalStorage.snapshot();

  constructor({ pollMs }: { pollMs: number }) {
    this.#pollMs = pollMs;
  }

  /** The feed of the database that the reader is on, for as long as `leave` is not called. */
  join(read: Pick<Reader, 'name' | 'endingWith'>): { readonly feed: LogFeed; readonly leave: () => void } {
    let shared = this.#feeds.get(read.name);
    if (!shared || shared.feed.hasFailed) {
      const cancellation = new Cancellation();
      const feed = this.#aside(() => new LogFeed(read.endingWith(cancellation), { cancellation, pollMs: this.#pollMs }));
      shared = { feed, cancellation, followers: 0 };
      this.#feeds.set(read.name, shared);
    }
    const joined = shared;
    joined.followers += 1;
    return {
      feed: joined.feed,
      leave: () => {
        joined.followers -= 1;
        if (joined.followers > 0) return;
        joined.cancellation.cancel(new CallCanceled());
        if (this.#feeds.get(read.name) === joined) this.#feeds.delete(read.name);
      },
    };
  }
}
