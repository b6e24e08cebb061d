import type pg from 'pg';
import type { Cancellation } from '../../bus/cancellation.ts';
import { requestCancel } from '../cancel-request.ts';
import { readRows } from '../cancellable-query.ts';
import { statementName } from '../named-statement-client.ts';
import { streamOf } from '../pg-internals.ts';
import type { ConnectionPool } from '../pool.ts';
import { errorCode, isConnectionLost, leavesConnectionUsable } from '../sql-errors.ts';
import type { Locate, LogPosition } from './log-position.ts';
import { PreparedRead, Unprepared } from './prepared-read.ts';

/** query_canceled */
const CANCELED = '57014';
/** How often a statement is sent that was stopped in the place of another. */
const ATTEMPTS = 3;
/** How many statements go out together at most: fewer writes and reads, while the others wait no longer than PostgreSQL needs for so many. */
const MOST_TOGETHER = 8;
/** How long a statement may hold up those behind it, in milliseconds: it is stopped after this time at the soonest, and after twice this time at the latest. */
const LONGEST = 50;
/** How long statements with the text of one that was stopped have connections of their own, in milliseconds. */
const APART = 1_000;

interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Whoever wants to know where the database was, or later, when it answered. */
export interface PositionTaker {
  /** Undefined when it could not say. */
  readonly take: (position: LogPosition | undefined) => void;
}

/** Statements that go out together, and the question behind them, where one of them wants the answer. */
interface Batch {
  size: number;
  isToLocate: boolean;
  position: Promise<LogPosition | undefined> | undefined;
}

/** A statement on its way, in the order in which the server runs them. */
interface Sent {
  readonly cancellation: Cancellation;
  /** It held up others for too long. */
  isLong: boolean;
}

/** A statement was stopped because it held up others for too long. */
class HeldUpOthers extends Error {}

/**
 * Runs statements that take no time, such as finding a row by its key or a page in an index, many at once on few connections: each is sent
 * without waiting for the answers of those before it. That halves what such a statement costs this process.
 *
 * One that turns out to take long while others wait behind it is stopped, and begins again on a connection of its own; so do those with the same
 * text for a while.
 *
 * When a call is canceled while the server runs its statement, the server is asked to stop that. The request can arrive a moment late
 * and stop the next statement instead; that one is sent again. So is one whose connection turned out to be gone, once: it only reads.
 */
export class SharedConnections {
  readonly #pool: ConnectionPool;
  readonly #apart: ConnectionPool;
  readonly #locate: Locate;
  readonly #lanes: Lane[];
  /** Until when statements with these texts have connections of their own. */
  readonly #long = new Map<string, number>();
  #watch: NodeJS.Timeout | undefined;
  #gathering: Lane | undefined;

  /** The connections of a pool that is pipelined and used by nobody else, one lane each; `apart` has those for statements that turn out to take long. */
  constructor({ pool, size, apart, locate }: { pool: ConnectionPool; size: number; apart: ConnectionPool; locate: Locate }) {
    this.#pool = pool;
    this.#apart = apart;
    this.#locate = locate;
    this.#lanes = Array.from({ length: size }, () => new Lane(pool, locate));
  }

  /** `taker` is told, before this resolves, where the database was when it had answered: asked once for all statements that go out together. */
  async rows<Row extends pg.QueryResultRow>(
    statement: Statement,
    cancellation: Cancellation,
    taker?: PositionTaker,
  ): Promise<Row[]> {
    this.#watch ??= setInterval(() => this.#lookForLong(), LONGEST).unref();
    let isRepeated = false;
    for (let attempt = 1; ; attempt += 1) {
      if (this.#isLong(statement)) {
        const behind = taker && { locate: this.#locate, taker };
        return await readRows<Row>(this.#apart, statement, cancellation, behind);
      }
      try {
        return await this.#lane().rows<Row>(statement, cancellation, taker);
      } catch (error) {
        if (cancellation.reason) throw cancellation.reason;
        if (error instanceof HeldUpOthers) {
          this.#long.set(statement.text, performance.now() + APART);
          continue;
        }
        const isLost = isConnectionLost(error) && !isRepeated;
        if (isLost) {
          isRepeated = true;
          // What ended one connection has mostly ended all: those that are idle are not trusted with the second attempt.
          for (const lane of this.#lanes) lane.dropIfIdle();
        } else if (!isStopped(error) || attempt >= ATTEMPTS) throw error;
      }
    }
  }

  /** Gives the connections back, so that the pool can close them. */
  release(): void {
    clearInterval(this.#watch);
    for (const lane of this.#lanes) lane.drop();
  }

  #isLong({ text }: Statement): boolean {
    if (this.#long.size === 0) return false;
    const until = this.#long.get(text);
    if (until === undefined) return false;
    if (performance.now() < until) return true;
    this.#long.delete(text);
    return false;
  }

  #lookForLong(): void {
    if (this.#lanes.every(({ length }) => length === 0)) {
      clearInterval(this.#watch);
      this.#watch = undefined;
      return;
    }
    // An answer that has arrived while this process was busy is read before its statement is called long.
    setImmediate(() => {
      for (const lane of this.#lanes) lane.stopLong();
    });
  }

  /** One where statements wait to go out together, or the one with the fewest on it. */
  #lane(): Lane {
    if (this.#gathering?.isGathering) return this.#gathering;
    this.#gathering = this.#emptiest();
    return this.#gathering;
  }

  #emptiest(): Lane {
    let place = 0;
    for (let other = 1; other < this.#lanes.length; other += 1) {
      if ((this.#lanes[other]?.length ?? 0) < (this.#lanes[place]?.length ?? 0)) place = other;
    }
    const best = this.#lanes[place];
    if (!best) throw new Error('there are no connections to share');
    if (!best.isRetired) return best;
    // What was sent on it is answered on it; what comes now goes out on a connection of its own.
    best.retire();
    const next = new Lane(this.#pool, this.#locate);
    this.#lanes[place] = next;
    return next;
  }
}

/** Whether it was stopped in the place of another statement, or the one was that prepared it. */
const isStopped = (error: unknown): boolean => errorCode(error) === CANCELED || error instanceof Unprepared;

/** One connection and what was sent on it. */
class Lane {
  readonly #pool: ConnectionPool;
  readonly #sent: Sent[] = [];
  #client: pg.PoolClient | undefined;
  #opening: Promise<pg.PoolClient> | undefined;
  readonly #locate: Locate;
  /** What goes out next. */
  #batch: Batch | undefined;
  #isLast = false;
  #waiting = 0;
  /** What the server ran at the last look. */
  #running: Sent | undefined;
  /** Batches whose position has been asked for. */
  #locating = 0;

  constructor(pool: ConnectionPool, locate: Locate) {
    this.#pool = pool;
    this.#locate = locate;
  }

  get length(): number {
    return this.#sent.length + this.#waiting;
  }

  /** Whether one more can go out together with those that wait for that. */
  get isGathering(): boolean {
    return this.#batch !== undefined && this.#batch.size < MOST_TOGETHER;
  }

  /** Whether its connection is to be given back. */
  get isRetired(): boolean {
    return this.#client !== undefined && this.#pool.isRetired(this.#client);
  }

  /** Gives the connection back when the last statement on it is done. */
  retire(): void {
    this.#isLast = true;
    this.#dropIfLast();
  }

  async rows<Row extends pg.QueryResultRow>(
    { text, values }: Statement,
    cancellation: Cancellation,
    taker?: PositionTaker,
  ): Promise<Row[]> {
    const client = this.#client ?? (await this.#open());
    if (cancellation.reason) throw cancellation.reason;
    const sent: Sent = { cancellation, isLong: false };
    this.#sent.push(sent);
    const forget = cancellation.onCancel(() => this.#stopIfRunning(client, sent));
    const batch = this.#batchFor(client);
    if (taker) batch.isToLocate = true;
    let rows: Row[];
    try {
      rows = await this.#read<Row>(client, { text, values });
    } catch (error) {
      if (this.#client === client && !leavesConnectionUsable(error)) this.drop(true);
      throw sent.isLong && errorCode(error) === CANCELED ? new HeldUpOthers() : error;
    } finally {
      forget();
      this.#sent.splice(this.#sent.indexOf(sent), 1);
      const [next] = this.#sent;
      if (next?.cancellation.reason) this.#stopIfRunning(client, next);
      this.#dropIfLast();
    }
    if (taker) taker.take(await batch.position);
    return rows;
  }

  async #read<Row extends pg.QueryResultRow>(client: pg.PoolClient, { text, values }: Statement): Promise<Row[]> {
    const name = statementName(text);
    if (name === undefined) return (await client.query<Row>(text, values as unknown[])).rows;
    return await client.query(new PreparedRead<Row>(client, { name, text, values })).done;
  }

  /** Stops the statement that ran at the last look and still does, if others wait behind it. */
  stopLong(): void {
    const [running, next] = this.#sent;
    if (running && next && running === this.#running && !running.isLong && this.#client) {
      running.isLong = true;
      this.#stopIfRunning(this.#client, running);
    }
    this.#running = running;
  }

  #dropIfLast(): void {
    if (this.#isLast && this.length === 0 && this.#locating === 0) this.drop();
  }

  dropIfIdle(): void {
    if (this.length === 0 && this.#locating === 0) this.drop(true);
  }

  drop(isBroken = false): void {
    this.#client?.release(isBroken);
    this.#client = undefined;
  }

  async #open(): Promise<pg.PoolClient> {
    this.#waiting += 1;
    this.#opening ??= this.#pool.connect();
    const opening = this.#opening;
    try {
      const client = await opening;
      if (this.#opening === opening) {
        this.#client = client;
        // One that ends while nobody waits on it would otherwise be found out by the next statement.
        client.once('end', () => this.#client === client && this.drop(true));
      }
      return client;
    } finally {
      this.#waiting -= 1;
      if (this.#opening === opening) this.#opening = undefined;
    }
  }

  #stopIfRunning(client: pg.PoolClient, sent: Sent): void {
    if (this.#sent[0] === sent) void requestCancel(client, () => this.#sent[0] === sent);
  }

  /** Statements of calls that arrived together go out together. */
  #batchFor(client: pg.PoolClient): Batch {
    if (this.#batch) {
      this.#batch.size += 1;
      return this.#batch;
    }
    const batch: Batch = { size: 1, isToLocate: false, position: undefined };
    this.#batch = batch;
    const stream = streamOf(client);
    stream.cork();
    setImmediate(() => {
      this.#batch = undefined;
      if (batch.isToLocate) batch.position = this.#locateOn(client);
      stream.uncork();
    });
    return batch;
  }

  async #locateOn(client: pg.PoolClient): Promise<LogPosition | undefined> {
    this.#locating += 1;
    try {
      return await this.#locate(client);
    } finally {
      this.#locating -= 1;
      this.#dropIfLast();
    }
  }
}
