import { Cancellation } from '../bus/cancellation.ts';
import { CallCanceled } from '../bus/errors.ts';
import type { ReadProjection } from '../bus/handler.ts';
import { follow } from '../feed/follow.ts';
import { type Entry, type List, type News, type Rows, Tail } from '../feed/tail.ts';
import { type Look, lookBehind, MOST_EVENTS } from './look.ts';

/** How often the feed is looked at when nothing is told, in milliseconds. */
const POLL = 250;
/** After this time without a look nothing is given out that was read from the database, in milliseconds. */
const MOST_SILENT = 2_000;
/** About what an event takes, in bytes. */
const EVENT_BYTES = 200;
const NEVER = 2 ** 31 - 1;

/** An event, as far as it ends answers that are kept. */
export interface Ending {
  readonly type: string;
  /** In lower case. */
  readonly aggregateId: string;
}

interface EndingEntry extends Entry, Ending {}

export interface FollowedOptions {
  readonly projections: readonly ReadProjection[];
  readonly news: News;
  readonly onEvent: (event: Ending) => void;
  /** Whether queries read the database now. */
  readonly isHealthy: () => boolean;
  /** Counts on: tells what began before what. */
  readonly tick: () => number;
  readonly now: () => number;
}

/**
 * A database whose feed is followed, so that answers that were read from it can be kept: `onEvent` is called for every event that it
 * has from now on. An event that is in the feed of a database has had its effect there, but for that on async projections.
 */
export class FollowedDatabase {
  readonly #options: FollowedOptions;
  readonly #cancellation = new Cancellation();
  #startedAt: number | undefined;
  #hasFailed = false;
  #state: string | undefined;
  #lookedAt = 0;
  readonly #projections = new Map<string, ProjectionPlace>();
  readonly #takenBy = new Map<string, readonly ProjectionPlace[]>();

  /** `read` is given what ends its statements. */
  constructor(read: (cancellation: Cancellation) => Rows, options: FollowedOptions) {
    this.#options = options;
    for (const { name, events } of options.projections) {
      const place = { checkpoint: 0n, wanted: 0n, caughtUpAt: undefined };
      this.#projections.set(name, place);
      for (const { typeName } of events) this.#takenBy.set(typeName, [...(this.#takenBy.get(typeName) ?? []), place]);
    }
    void this.#run(read(this.#cancellation));
  }

  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** Whether answers of this database can be given out: it is read, and what happens there is heard of. */
  isKnown(now: number): boolean {
    return !this.#hasFailed && now - this.#lookedAt < MOST_SILENT && this.#options.isHealthy();
  }

  /**
   * Whether an answer that was begun to be read at that tick can be kept, unless an event was told since: every event before it has had its
   * effect on what was read, and every later one is told of.
   */
  knowsSince(tick: number, projections: readonly ReadProjection[]): boolean {
    if (this.#hasFailed || this.#startedAt === undefined || this.#startedAt > tick) return false;
    return projections.every(({ name }) => (this.#projections.get(name)?.caughtUpAt ?? NEVER) <= tick);
  }

  stop(): void {
    this.#cancellation.cancel(new CallCanceled());
  }

  async #run(read: Rows): Promise<void> {
    const tail = new Tail(read, { list: this.#list(), cancellation: this.#cancellation, pollMs: POLL, news: this.#options.news });
    try {
      await tail.started;
      this.#startedAt = this.#options.tick();
      const { signal } = this.#cancellation;
      for await (const { entry } of follow(tail, { after: tail.end, signal, heartbeatMs: NEVER })) if (entry) this.#take(entry);
    } catch {
      // Whoever keeps something of the database begins anew, and hears then what is wrong with it.
    } finally {
      this.#hasFailed = true;
      this.stop();
    }
  }

  #list(): List<EndingEntry> {
    return {
      pageSize: MOST_EVENTS,
      size: () => EVENT_BYTES,
      last: async (read) => {
        const look = await this.#look(read, 'the end');
        const last = BigInt(look.last);
        // Whether a projection takes what happened before is not known.
        for (const place of this.#projections.values()) place.wanted = last;
        this.#hear(look);
        return last;
      },
      page: async (read, after) => {
        const look = await this.#look(read, after);
        if (BigInt(look.last) < after) throw new Error('the feed of the database has become shorter');
        this.#hear(look);
        const entries = look.events.map(([sequence, type, aggregateId]) => ({ place: BigInt(sequence), type, aggregateId }));
        return { entries, end: entries.at(-1)?.place ?? after };
      },
    };
  }

  async #look(read: Rows, after: bigint | 'the end'): Promise<Look> {
    const { projections, now } = this.#options;
    const at = now();
    const look = await lookBehind(
      read,
      after,
      projections.map(({ name }) => name),
    );
    this.#state ??= look.state;
    if (this.#state !== look.state) throw new Error('the database is not the one that it was');
    this.#lookedAt = at;
    return look;
  }

  #hear({ checkpoints }: Look): void {
    for (const [name, place] of this.#projections) {
      place.checkpoint = BigInt(checkpoints[name] ?? 0);
      if (place.checkpoint < place.wanted) place.caughtUpAt = undefined;
      else place.caughtUpAt ??= this.#options.tick();
    }
  }

  #take(entry: EndingEntry): void {
    for (const place of this.#takenBy.get(entry.type) ?? []) {
      place.wanted = entry.place;
      if (place.checkpoint < entry.place) place.caughtUpAt = undefined;
    }
    this.#options.onEvent(entry);
  }
}

/** How far an async projection has come on the database. */
interface ProjectionPlace {
  checkpoint: bigint;
  /** The last event that it takes. */
  wanted: bigint;
  /** Since when its tables have all that is known to have happened; undefined while they have not. */
  caughtUpAt: number | undefined;
}
