import { Cancellation } from '../bus/cancellation.ts';
import { CallCanceled } from '../bus/errors.ts';
import type { ReadProjection } from '../bus/handler.ts';
import type { LogPosition } from '../database/read/log-position.ts';
import { type Entry, type List, type News, type Rows, Tail } from '../feed/tail.ts';
import { type Look, lookBehind, MOST_EVENTS, THE_END } from './look.ts';
import { ProjectionPlace } from './projection-place.ts';

/** How often the feed is looked at when nothing is told, in milliseconds. */
const POLL = 250;
/** After this time without a look nothing is given out that was read from the database, in milliseconds. */
const MOST_SILENT = 2_000;
/** Most looks that wait for transactions to end. */
const MOST_WAITING = 20;

/** An event, as far as it ends answers that are kept. */
export interface Ending {
  readonly type: string;
  /** In lower case. */
  readonly aggregateId: string;
}

export interface FollowedOptions {
  readonly projections: readonly ReadProjection[];
  readonly news: News;
  readonly onEvent: (event: Ending) => void;
  /** Counts on: tells what began before what. */
  readonly tick: () => number;
  readonly now: () => number;
  readonly systemIdentifier: () => bigint | undefined;
  /** Whether queries read the database now. */
  readonly isHealthy: () => boolean;
  /** How old at most is what the database has, in milliseconds. */
  readonly staleness: () => number;
}

/**
 * A database whose events are followed, so that answers that were read from it can be kept: `onEvent` is called for every event that
 * appears there from now on, once, whether it has its number yet or not. An event that is seen has had its effect there, but for that on async
 * projections. So what is kept after a look is as new as the look.
 */
export class FollowedDatabase {
  readonly name: string;
  readonly #options: FollowedOptions;
  readonly #cancellation = new Cancellation();
  readonly #tail: Tail<Entry>;
  #startedAt: number | undefined;
  #state: string | undefined;
  readonly #projections = new Map<string, ProjectionPlace>();
  readonly #takenBy = new Map<string, readonly ProjectionPlace[]>();
  /** The positions of events that were told before they had a number. */
  readonly #told = new Set<number>();
  /** When the last look began that told everything, and how old at most was what it saw. */
  #looked = { at: Number.NEGATIVE_INFINITY, staleness: Number.POSITIVE_INFINITY };
  /** Where the database was, and the transaction that was next a look later: when all before it have ended, what is kept has all up to there. */
  #positions: { readonly position: LogPosition; next: bigint | undefined }[] = [];
  #has: LogPosition | undefined;

  /** `read` is given what ends its statements. */
  constructor(name: string, read: (cancellation: Cancellation) => Rows, options: FollowedOptions) {
    this.name = name;
    this.#options = options;
    for (const { name, events } of options.projections) {
      const place = new ProjectionPlace(options.tick);
      this.#projections.set(name, place);
      for (const { typeName } of events) this.#takenBy.set(typeName, [...(this.#takenBy.get(typeName) ?? []), place]);
    }
    const cancellation = this.#cancellation;
    this.#tail = new Tail(read(cancellation), { list: this.#list(), cancellation, pollMs: POLL, news: options.news });
  }

  get hasFailed(): boolean {
    return this.#tail.hasFailed;
  }

  /** Whether answers of this database can be given out: it is read, and what happens there is heard of. */
  isKnown(now: number): boolean {
    return !this.hasFailed && now - this.#looked.at < MOST_SILENT && this.#options.isHealthy();
  }

  /** How old at most is what is kept of the database, in milliseconds. */
  staleness(now: number): number {
    return this.#looked.staleness + (now - this.#looked.at);
  }

  /** What is kept of the database has everything up to there. */
  get has(): LogPosition | undefined {
    return this.#has;
  }

  /**
   * Whether an answer that was begun to be read at that tick can be kept, unless an event was told since: every event before it has had its
   * effect on what was read, and every later one is told of.
   */
  knowsSince(tick: number, projections: readonly ReadProjection[]): boolean {
    if (this.hasFailed || this.#startedAt === undefined || this.#startedAt > tick) return false;
    return projections.every(({ name }) => this.#projections.get(name)?.hasCaughtUpBefore(tick));
  }

  stop(): void {
    this.#cancellation.cancel(new CallCanceled());
  }

  /** The feed as a list without entries: what a look tells is heard at once. */
  #list(): List<Entry> {
    return {
      pageSize: MOST_EVENTS,
      size: () => 0,
      last: async (read) => {
        const look = await this.#look(read, THE_END);
        // Whether a projection takes what happened before is not known.
        for (const place of this.#projections.values()) place.want(look.last);
        this.#startedAt = this.#options.tick();
        return look.last;
      },
      page: async (read, after) => {
        const look = await this.#look(read, after);
        if (look.last < after) throw new Error('the feed of the database has become shorter');
        return { entries: [], end: look.numbered.at(-1)?.sequence ?? after };
      },
    };
  }

  async #look(read: Rows, after: bigint): Promise<Look> {
    const { projections, now, systemIdentifier, staleness } = this.#options;
    const looked = { at: now(), staleness: staleness() };
    const names = projections.map(({ name }) => name);
    const look = await lookBehind(read, after, { systemIdentifier: systemIdentifier(), projections: names });
    this.#state ??= look.state;
    if (this.#state !== look.state) throw new Error('the database is not the one that it was');
    this.#hear(look);
    const isWhole = look.numbered.length < MOST_EVENTS && look.unnumbered.length < MOST_EVENTS;
    if (isWhole) {
      this.#looked = looked;
      this.#hearPosition(look);
    }
    return look;
  }

  #hear({ numbered, unnumbered, checkpoints }: Look): void {
    for (const { sequence, event } of numbered) {
      const [position, type, aggregateId] = event;
      for (const place of this.#takenBy.get(type) ?? []) place.want(sequence, position);
      if (!this.#told.delete(position)) this.#options.onEvent({ type, aggregateId });
    }
    for (const [position, type, aggregateId] of unnumbered) {
      if (this.#told.has(position)) continue;
      this.#told.add(position);
      for (const place of this.#takenBy.get(type) ?? []) place.expect(position);
      this.#options.onEvent({ type, aggregateId });
    }
    for (const [name, place] of this.#projections) place.reached(checkpoints.get(name) ?? 0n);
  }

  /**
   * A standby has shown what it has applied when it says so. On a primary a transaction can be in the log and not be seen yet: those that may be are over when all
   * are that had begun by the next look.
   */
  #hearPosition({ isStandby, position, oldest, next }: Look): void {
    for (const waiting of this.#positions) waiting.next ??= next;
    const shown = this.#positions.findLast((waiting) => isStandby || (waiting.next ?? next) <= oldest);
    if (shown) {
      this.#has = shown.position;
      this.#positions = this.#positions.slice(this.#positions.indexOf(shown) + 1);
    }
    if (position && this.#positions.length < MOST_WAITING) this.#positions.push({ position, next: undefined });
  }
}
