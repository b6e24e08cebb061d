import type { Registry } from '@bufbuild/protobuf';
import type pg from 'pg';
import type { Logger } from 'pino';
import { type Loop, loop } from '../../background/loop.ts';
import { jsonOf, type ReadEvent, readStoredEvent } from '../../database/write/stored-event.ts';
import { Effects, STATE_AT } from './effects.ts';
import { type Failure, failureOf } from './failure.ts';
import { EventRefused, type FeedEvent, type FeedHandler, PlaceLost } from './feed-handler.ts';
import {
  batchSize,
  type EventRow,
  FAILED,
  type Handled,
  type ProcessorStatements,
  processorStatements,
  SKIP,
  STATE,
  STILL_DEAD,
  TO_DRAIN,
} from './processor-statements.ts';

/** An event that fails so often is a dead letter. */
const MOST_ATTEMPTS = 3;
/** How long it rests after a failure, in milliseconds: doubled with each one, up to the most. */
const PAUSE = 100;
const LONGEST_PAUSE = 5_000;
/** How long the checkpoint may stay behind, in milliseconds, where the events in between are of types that it does not take. */
const LAZY = 1_000;
/** How often it looks for dead letters that can be tried, of those that nobody asked for, in milliseconds. */
const DRAIN = 5_000;

/** How long reactions may go on before they are noted, in milliseconds: after a crash, all that is not noted comes again before anything new. */
const UNNOTED = 200;

/** What a batch came to: an event that was parked is no batch that was handled. */
export interface BatchReport {
  readonly processor: string;
  readonly outcome: 'handled' | 'failed' | 'parked';
  readonly events: number;
  readonly seconds: number;
}

export interface ProcessorOptions {
  readonly handler: FeedHandler;
  readonly partition: number;
  /** How many share the events, as the database has it. */
  readonly partitions: number;
  /** The primary, as the writer. */
  readonly pool: Pick<pg.Pool, 'query'>;
  readonly eventTypes: Registry;
  /** The number of the last event. */
  readonly lastSequence: () => number;
  readonly logger: Pick<Logger, 'warn' | 'info' | 'error'>;
  readonly report?: ((batch: BatchReport) => void) | undefined;
  /** Is called when timers were set. */
  readonly onTimers?: (() => void) | undefined;
}

/** What its row says, as far as others change it. */
export interface ProcessorRow {
  readonly moves: number;
  readonly paused: boolean;
  /** Whether a dead letter is to be tried again. */
  readonly retries: boolean;
}

/** A processor that this process runs. */
export interface RunningProcessor {
  /** Has it look at the feed. */
  readonly wake: () => void;
  /** Tells it how its row looked. */
  readonly learn: (row: ProcessorRow) => void;
  /** Has it read its place anew: the database was away, and may be another one now, which is behind the one that was lost. */
  readonly doubt: () => void;
  /** Resolves when nothing is under way any more. */
  readonly stop: (signal?: AbortSignal) => Promise<void>;
}

/** Runs one processor: one partition of a projection or of a reactor. */
export function startProcessor(options: ProcessorOptions): RunningProcessor {
  const { handler, logger } = options;
  const stopping = new AbortController();
  const processor = new Processor(options, stopping.signal);
  const working: Loop = loop({
    name: `${handler.kind} ${handler.name}`,
    every: () => processor.restMs,
    round: () => processor.work(),
    outage: {
      logger,
      fails: `the ${handler.kind} ${handler.name} cannot go on`,
      works: `the ${handler.kind} ${handler.name} goes on`,
    },
  });
  return {
    wake: working.wake,
    learn: (row) => {
      if (processor.learn(row)) working.wake();
    },
    doubt: () => processor.doubt(),
    stop: async (signal) => {
      stopping.abort();
      await working.stop(signal);
      await processor.settle();
    },
  };
}

/** Where a processor is, as the database has it. */
interface Place {
  readonly checkpoint: number;
  readonly moves: number;
}

class Processor {
  readonly #options: ProcessorOptions;
  readonly #signal: AbortSignal;
  readonly #statements: ProcessorStatements;
  /** Whether events come to this process, and how many at once are handled. */
  readonly #reads: boolean;
  readonly #size: number;
  /** Undefined where it has to be read. */
  #place: Place | undefined;
  #isPaused = false;
  #isBusy = false;
  /** Where it has looked: between the checkpoint and here is nothing that it takes. */
  #reached = 0;
  /** The end of a batch that failed: the event is before it, or is it. */
  #suspect: number | undefined;
  #failures = 0;
  #notBefore = 0;
  #movedAt = 0;
  /** When it looked whether a dead letter can be tried. */
  #drainedAt = 0;

  constructor(options: ProcessorOptions, signal: AbortSignal) {
    const { handler, partitions } = options;
    this.#options = options;
    this.#signal = signal;
    this.#statements = processorStatements(handler, partitions);
    this.#reads = handler.readsData || handler.react !== undefined;
    this.#size = batchSize(handler);
  }

  /** How long it rests when nobody wakes it. */
  get restMs(): number {
    return this.#notBefore === 0 ? LAZY : Math.max(1, this.#notBefore - Date.now());
  }

  /** Answers whether there may be something to do. */
  learn({ moves, paused, retries }: ProcessorRow): boolean {
    const resumed = this.#isPaused && !paused;
    this.#isPaused = paused;
    if (retries) this.#drainedAt = 0;
    // While a statement is under way, it says so itself.
    const isMoved = !this.#isBusy && this.#place !== undefined && this.#place.moves !== moves;
    if (isMoved) this.#place = undefined;
    return resumed || retries || isMoved;
  }

  doubt(): void {
    this.#place = undefined;
  }

  /** Does all that there is to do. */
  async work(): Promise<void> {
    if (Date.now() < this.#notBefore) return;
    this.#notBefore = 0;
    this.#isBusy = true;
    try {
      do {
        if (!this.#place) await this.#load();
        while (this.#goesOn && Date.now() - this.#drainedAt > DRAIN) await this.#drainAll();
        while (this.#goesOn && this.#reached < this.#options.lastSequence()) await this.#step();
      } while (!this.#place && !this.#signal.aborted);
      if (Date.now() - this.#movedAt > LAZY) await this.settle();
      if (this.#notBefore === 0) this.#failures = 0;
    } catch (error) {
      if (!this.#signal.aborted) await this.#rest(error);
    } finally {
      this.#isBusy = false;
    }
  }

  /** Moves the checkpoint over the events behind it that it does not take. */
  async settle(): Promise<void> {
    const place = this.#place;
    if (!place || this.#isPaused || this.#reached <= place.checkpoint) return;
    const [row] = await this.#query<{ moves: string }>(SKIP, ...this.#key, place.moves, this.#reached);
    this.#moved(this.#reached, row?.moves);
  }

  get #goesOn(): boolean {
    return this.#place !== undefined && !this.#isPaused && !this.#signal.aborted && this.#notBefore === 0;
  }

  get #key(): readonly [string, number] {
    return [this.#options.handler.name, this.#options.partition];
  }

  async #load(): Promise<void> {
    const [row] = await this.#query<{ checkpoint: string; moves: string; paused: boolean }>(STATE, ...this.#key);
    if (!row) throw new Error(`cqrs.processor has no row for ${this.#key.join(' ')}: start the service again, which makes it`);
    this.#place = { checkpoint: Number(row.checkpoint), moves: Number(row.moves) };
    this.#reached = this.#place.checkpoint;
    this.#suspect = undefined;
    this.#isPaused = row.paused;
    this.#drainedAt = 0;
  }

  /** Handles one batch. Where it fails, half of it is next, until the event is alone. Throws what is not the fault of one event. */
  async #step(): Promise<void> {
    const from = this.#reached;
    const most = Math.min(from + this.#size, this.#options.lastSequence());
    const upTo = this.#suspect === undefined ? most : Math.min(most, from + Math.ceil((this.#suspect - from) / 2));
    try {
      await this.#handle(from, upTo);
    } catch (error) {
      const failure = failureOf(error);
      const isOne = upTo - from === 1;
      const isDivided = !isOne && (failure.blame === 'event' || failure.blame === 'slow');
      if (isDivided) this.#suspect = upTo;
      else if (failure.blame === 'event') await this.#failed(upTo, failure);
      else throw error;
    }
    if (this.#suspect !== undefined && this.#reached >= this.#suspect) this.#suspect = undefined;
  }

  async #handle(from: number, upTo: number): Promise<void> {
    const { react } = this.#options.handler;
    if (!this.#reads) return this.#commit(upTo, this.#statements.handle, from, upTo);
    const rows = await this.#read(from, upTo);
    if (rows.length === 0) this.#reached = upTo;
    else if (react) await this.#react(rows, { react, from, upTo });
    else await this.#commit(upTo, this.#statements.handle, from, upTo, rows.map(sequenceOf), rows.map(this.#json));
  }

  /** One event after the other; those before one that fails count as handled. */
  async #react(
    rows: readonly EventRow[],
    { react, from, upTo }: { react: NonNullable<FeedHandler['react']>; from: number; upTo: number },
  ): Promise<void> {
    const behind: number[] = [];
    const effects = new Effects(this.#readState);
    const note = (through: number): Promise<void> => this.#note({ from, through, behind, effects });
    const began = Date.now();
    for (const row of rows) {
      if (Date.now() - began > UNNOTED) return note(sequenceOf(row) - 1);
      try {
        if (row.is_parked) behind.push(sequenceOf(row));
        else await react(this.#event(row), this.#signal, effects);
      } catch (error) {
        const failing = sequenceOf(row);
        if (row !== rows[0]) await note(failing - 1);
        else this.#reached = failing - 1;
        const failure = failureOf(error);
        if (failure.blame !== 'event' || this.#signal.aborted) throw error;
        if (this.#place) await this.#failed(failing, failure);
        return;
      }
    }
    await note(upTo);
  }

  /** Notes that the events behind `from`, up to `through`, were dealt with, together with what that left. */
  async #note({
    from,
    through,
    behind,
    effects,
  }: {
    from: number;
    through: number;
    behind: readonly number[];
    effects: Effects;
  }): Promise<void> {
    const { handle, leave } = this.#statements;
    const { parameter } = effects;
    if (parameter === null) await this.#commit(through, handle, from, through, behind);
    else await this.#commit(through, leave, from, through, behind, parameter);
    if (this.#place && effects.setsTimers) this.#options.onTimers?.();
  }

  readonly #readState = async (key: string): Promise<Uint8Array | undefined> => {
    const [row] = await this.#query<{ state: Buffer | null }>(STATE_AT, ...this.#key, this.#place?.moves, key);
    if (!row) throw new PlaceLost();
    return row.state ?? undefined;
  };

  /** Sends a statement that has the effect and moves the checkpoint up to there. */
  async #commit(upTo: number, text: string, ...values: readonly unknown[]): Promise<void> {
    const began = performance.now();
    const [row] = await this.#query<Handled>(text, this.#options.partition, this.#place?.moves, ...values);
    if (!row || row.taken === 0) this.#reached = upTo;
    else this.#moved(upTo, row.moves);
    if (!row?.moves) return;
    if (text === this.#statements.park) this.#tell('parked', 1);
    else this.#tell('handled', row.taken, (performance.now() - began) / 1000);
  }

  #tell(outcome: BatchReport['outcome'], events = 0, seconds = 0): void {
    this.#options.report?.({ processor: this.#options.handler.name, outcome, events, seconds });
  }

  /** An event failed, and it alone. */
  async #failed(sequence: number, { told }: Failure): Promise<void> {
    const { handler, logger } = this.#options;
    const pause = this.#pause();
    this.#tell('failed');
    const [row] = await this.#query<{ moves: string; attempts: number }>(
      FAILED,
      ...this.#key,
      this.#place?.moves,
      told,
      1,
      pause,
    );
    this.#moved(this.#place?.checkpoint ?? 0, row?.moves, false);
    if (!row) return;
    if (row.attempts < MOST_ATTEMPTS) {
      this.#notBefore = Date.now() + pause;
      return;
    }
    await this.#commit(sequence, this.#statements.park, sequence, row.attempts, told);
    this.#failures = 0;
    logger.error(
      { processor: handler.name, partition: this.#options.partition, sequence, reason: told },
      `the ${handler.kind} ${handler.name} cannot handle an event: it is a dead letter, and so are later events of its aggregate. See \`bicameral dead-letters\``,
    );
  }

  /** The dead letters that may be tried, each the first of its aggregate. Those behind them are next. */
  async #drainAll(): Promise<void> {
    const letters = await this.#query<{ sequence: string }>(TO_DRAIN, ...this.#key);
    for (const letter of letters) {
      if (!this.#goesOn) return;
      await this.#drain(sequenceOf(letter));
    }
    if (letters.length === 0) this.#drainedAt = Date.now();
  }

  async #drain(sequence: number): Promise<void> {
    const { handler, partition } = this.#options;
    const { react, readsData } = handler;
    const checkpoint = this.#place?.checkpoint ?? 0;
    try {
      const rows = this.#reads ? await this.#read(sequence - 1, sequence) : [];
      const effects = new Effects(this.#readState);
      if (react) for (const row of rows) await react(this.#event(row), this.#signal, effects);
      const read = readsData ? [rows.map(sequenceOf), rows.map(this.#json)] : [];
      const data = react ? [effects.parameter] : read;
      const [row] = await this.#query<Handled>(this.#statements.drain, partition, this.#place?.moves, sequence, ...data);
      this.#moved(checkpoint, row?.moves, false);
      if (this.#place && effects.setsTimers) this.#options.onTimers?.();
    } catch (error) {
      const failure = failureOf(error);
      if (failure.blame !== 'event' || this.#signal.aborted) throw error;
      await this.#query(STILL_DEAD, handler.name, sequence, failure.told);
    }
  }

  /** What speaks against no event: it is tried until it works. */
  async #rest(error: unknown): Promise<void> {
    const { blame, told } = failureOf(error);
    const pause = this.#pause();
    if (blame !== 'conflict') this.#tell('failed');
    if (blame !== 'conflict' && this.#place)
      await this.#query(FAILED, ...this.#key, this.#place.moves, told, 0, pause).catch(() => undefined);
    // Whether the statement had an effect is not known.
    this.#place = undefined;
    this.#notBefore = Date.now() + pause;
    if (blame !== 'conflict') throw error;
  }

  #pause(): number {
    this.#failures += 1;
    return Math.min(LONGEST_PAUSE, PAUSE * 2 ** (this.#failures - 1));
  }

  /** Without `moves` nothing was done: somebody else was here, or it is paused. */
  #moved(checkpoint: number, moves: string | null | undefined, isReached = true): void {
    if (moves === null || moves === undefined) {
      this.#place = undefined;
      return;
    }
    this.#place = { checkpoint, moves: Number(moves) };
    if (!isReached) return;
    this.#reached = checkpoint;
    this.#movedAt = Date.now();
  }

  #read(from: number, upTo: number): Promise<EventRow[]> {
    return this.#query<EventRow>(this.#statements.read, this.#options.partition, from, upTo);
  }

  async #query<Row>(text: string, ...values: readonly unknown[]): Promise<Row[]> {
    const { rows } = await this.#options.pool.query(text, [...values]);
    return rows as Row[];
  }

  readonly #json = (row: EventRow): string => {
    const json = jsonOf(this.#readable(row), this.#options.eventTypes);
    if (!json) throw new EventRefused('it has no form in JSON');
    return JSON.stringify(json);
  };

  #event(row: EventRow): FeedEvent {
    const { schema, message } = this.#readable(row);
    return {
      sequence: sequenceOf(row),
      id: row.id,
      schema,
      message,
      aggregateType: row.aggregate_type,
      aggregateId: row.aggregate_id,
      aggregateVersion: row.aggregate_version,
      commandId: row.command_id,
      correlationId: row.correlation_id ?? undefined,
      traceparent: row.traceparent,
      occurredAt: row.occurred_at,
    };
  }

  #readable(row: EventRow): ReadEvent {
    const read = readStoredEvent(row, this.#options.eventTypes);
    if (!read) throw new EventRefused('it cannot be read: this program does not know its type, or its bytes are no such message');
    return read;
  }
}

const sequenceOf = ({ sequence }: { readonly sequence: string }): number => Number(sequence);
