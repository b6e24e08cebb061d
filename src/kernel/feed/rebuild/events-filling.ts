import type pg from 'pg';
import { jsonOf, readStoredEvent } from '../../database/write/stored-event.ts';
import { failureOf } from '../processors/failure.ts';
import { BatchSize } from './batch-size.ts';
import { type Filling, type Goal, lastSequence, numberAll, type RebuildTools } from './filling.ts';
import { type FoldStatements, foldStatements, type StoredRow } from './fold-statements.ts';
import { RebuildFailed, type RebuildJob, RebuildLost, STEPS } from './rebuild-job.ts';
import type { RebuildableOfEvents } from './rebuildable.ts';

type Queryable = Pick<pg.Pool | pg.ClientBase, 'query'>;

/** What a fold may be behind before the live tables are kept from being written, in events: it is caught up with in some tenths of a second. */
const NEAR = 2_000;

/** A page of the feed, from behind one number up to another. */
interface Page {
  readonly from: number;
  readonly upTo: number;
}

/** The events of a page whose contents the projection reads. */
interface Contents {
  readonly sequences: readonly number[];
  readonly data: readonly string[];
}

/** Fills the tables of a projection of events by folding all of them, page by page. */
export class EventsFilling implements Filling {
  readonly #job: RebuildJob;
  readonly #projection: RebuildableOfEvents;
  readonly #tools: RebuildTools;
  readonly #size = new BatchSize();
  /** The end of a page that failed: the event is before it, or is it. */
  #suspect: number | undefined;
  #partitions: Promise<number> | undefined;

  constructor(job: RebuildJob, projection: RebuildableOfEvents, tools: RebuildTools) {
    this.#job = job;
    this.#projection = projection;
    this.#tools = tools;
  }

  async begin(client: pg.ClientBase): Promise<void> {
    await this.#job.begin(client, { step: STEPS.events, place: 0, total: await lastSequence(client) });
  }

  async fill(): Promise<void> {
    for (let upTo = await this.#limit(); upTo - this.#job.place > NEAR; upTo = await this.#limit()) await this.#fold(upTo);
  }

  /** How far the live tables are now; those of an async projection have what is behind it not yet. */
  async #limit(): Promise<number> {
    const { lookPool } = this.#tools;
    if (this.#projection.inline) return lastSequence(lookPool);
    const { rows } = await lookPool.query<{ checkpoint: string | null }>(
      'select min(checkpoint) as checkpoint from cqrs.processor where name = $1',
      [this.#projection.name],
    );
    return Number(rows[0]?.checkpoint ?? 0);
  }

  /** While one page is folded, the next one is read. */
  async #fold(upTo: number): Promise<void> {
    const { pool, signal } = this.#tools;
    let ahead: { readonly page: Page; readonly contents: Promise<Contents> } | undefined;
    while (this.#job.place < upTo) {
      signal.throwIfAborted();
      const page = this.#pageFrom(this.#job.place, upTo);
      const isAhead = ahead?.page.from === page.from && ahead.page.upTo === page.upTo;
      const contents = isAhead && ahead ? ahead.contents : this.#read(pool, page);
      try {
        const here = await contents;
        const next = this.#pageFrom(page.upTo, upTo);
        ahead = next.upTo > next.from ? { page: next, contents: this.#read(pool, next) } : undefined;
        // It is looked at when its turn comes.
        ahead?.contents.catch(() => {});
        await this.#write(pool, page, { goal: { upTo }, contents: here });
      } catch (error) {
        await ahead?.contents.catch(() => {});
        ahead = undefined;
        await this.#divide(page, error);
      }
    }
    await ahead?.contents.catch(() => {});
  }

  #pageFrom(from: number, upTo: number): Page {
    const most = Math.min(upTo, from + this.#size.value);
    const suspect = this.#suspect;
    return {
      from,
      upTo: suspect === undefined || suspect <= from ? most : Math.min(most, from + Math.ceil((suspect - from) / 2)),
    };
  }

  /** A page that fails is halved until the event is alone. Throws what is not the fault of one event. */
  async #divide({ from, upTo }: Page, error: unknown): Promise<void> {
    if (error instanceof RebuildFailed || error instanceof RebuildLost) throw error;
    const { blame, told } = failureOf(error);
    if (blame !== 'event' && blame !== 'slow') throw error;
    if (upTo - from > 1) {
      this.#suspect = upTo;
      return;
    }
    throw new RebuildFailed(`event ${upTo}${await this.#typeOf(upTo)}: ${told}`, error);
  }

  async #typeOf(sequence: number): Promise<string> {
    const { rows } = await this.#tools.lookPool.query<{ type: string }>(
      'select type from cqrs.feed join cqrs.event using (position) where sequence = $1',
      [sequence],
    );
    return rows[0] ? ` (${rows[0].type})` : '';
  }

  async goal(client: pg.ClientBase): Promise<Goal> {
    if (this.#projection.inline) return { upTo: await numberAll(this.#tools.lookPool) };
    const { rows } = await client.query<{ checkpoint: string }>(
      'select checkpoint from cqrs.processor where name = $1 order by partition for update',
      [this.#projection.name],
    );
    const ofPartitions = rows.map(({ checkpoint }) => Number(checkpoint));
    return { upTo: Math.max(0, ...ofPartitions), ofPartitions };
  }

  async rest(client: pg.ClientBase, goal: Goal): Promise<void> {
    const job = this.#job;
    // Once in any case: a dead letter may have been handled since.
    do {
      const page = { from: job.place, upTo: Math.max(job.place, Math.min(goal.upTo, job.place + this.#size.value)) };
      await this.#write(client, page, { goal, contents: await this.#read(client, page) });
    } while (job.place < goal.upTo);
  }

  /** A batch that waits for the swap finds that it was overtaken, and reads again. */
  async handOver(client: pg.ClientBase): Promise<void> {
    const { name, definition, inline } = this.#projection;
    if (inline) return;
    await client.query('update cqrs.processor set moves = moves + 1, definition = $2 where name = $1', [name, definition]);
  }

  async #statements({ from, upTo }: Page): Promise<FoldStatements> {
    this.#partitions ??= this.#readPartitions();
    return foldStatements(this.#projection, { size: BatchSize.roomFor(upTo - from), partitions: await this.#partitions });
  }

  async #readPartitions(): Promise<number> {
    if (this.#projection.inline) return 1;
    const { rows } = await this.#tools.lookPool.query<{ partitions: number }>(
      'select partitions from cqrs.processor where name = $1 limit 1',
      [this.#projection.name],
    );
    return rows[0]?.partitions ?? 1;
  }

  async #read(client: Queryable, page: Page): Promise<Contents> {
    if (this.#projection.projection.data === false) return NOTHING;
    const { read } = await this.#statements(page);
    const job = this.#projection.inline ? [] : [this.#job.id];
    const { rows } = await client.query<StoredRow>(read, [page.from, page.upTo, ...job]);
    return { sequences: rows.map(({ sequence }) => Number(sequence)), data: rows.map((row) => this.#json(row)) };
  }

  #json(row: StoredRow): string {
    const { eventTypes } = this.#tools;
    const event = readStoredEvent(row, eventTypes);
    const json = event && jsonOf(event, eventTypes);
    if (!json) throw new RebuildFailed(`event ${row.sequence} (${row.type}): this program cannot read it`);
    return JSON.stringify(json);
  }

  async #write(client: Queryable, page: Page, { goal, contents }: { goal: Goal; contents: Contents }): Promise<void> {
    const job = this.#job;
    const { from, upTo } = page;
    const { fold } = await this.#statements(page);
    const began = performance.now();
    const isDecoded = this.#projection.projection.data !== false;
    const partitions = await this.#partitions;
    const ofPartitions = goal.ofPartitions ?? Array(partitions).fill(goal.upTo);
    const { rows } = await client.query<{ moved: boolean }>(fold, [
      job.id,
      job.owner,
      from,
      upTo,
      goal.upTo,
      ...(isDecoded ? [contents.sequences, contents.data] : []),
      ...(partitions === 1 ? [] : [ofPartitions]),
    ]);
    if (!rows[0]?.moved) throw new RebuildLost();
    job.place = upTo;
    if (this.#suspect !== undefined && upTo >= this.#suspect) this.#suspect = undefined;
    if (upTo - from >= this.#size.value) this.#size.learn(performance.now() - began);
  }
}

const NOTHING: Contents = { sequences: [], data: [] };
