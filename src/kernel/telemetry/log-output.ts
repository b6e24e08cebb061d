import { fstatSync, write, writeSync } from 'node:fs';

export interface LogOutputOptions {
  /** Lines are written together once there are so many characters, or when the first has waited for `longestWait` milliseconds. */
  readonly minLength: number;
  readonly longestWait: number;
  /** The longest piece that is written at once, in characters. */
  readonly maxWrite?: number;
  /** Lines beyond so many characters that nobody has taken yet are dropped and counted. */
  readonly maxWaiting?: number;
}

/** How long the last lines may take to get out when the process ends, in milliseconds: a reader may be slow, and must not hold it up. */
const LAST_LINES = 1000;
/** Pause before a reader that takes nothing is tried again, in milliseconds. */
const PAUSE = 50;
const LINE_FEED = 10;
/** Nobody wakes who waits for it. */
const NEVER = new Int32Array(new SharedArrayBuffer(4));

/**
 * Writes lines to a file descriptor in the background, for pino. What is on the other end decides nothing: a reader that goes away
 * (EPIPE), a terminal that hung up (EIO) or a full disk (ENOSPC) costs lines, never the program, and a slow one costs bounded memory.
 * When lines can be written again, or at the end, the first one says how many were lost.
 *
 * sonic-boom, pino's own, does not do: its flush at the end tries again for ever after any error.
 */
export class LogOutput {
  readonly #fd: number;
  readonly #isFile: boolean;
  readonly #options: Required<LogOutputOptions>;
  #lines: string[] = [];
  #waiting = 0;
  /** Lines that were lost and of which the reader does not know yet. */
  #lost = 0;
  /** Whether the last byte that the reader has is inside of a line. */
  #isMidLine = false;
  /** What of the piece that is being written has not been taken yet. */
  #rest: Piece = NOTHING;
  #isWriting = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(fd: number, options: LogOutputOptions) {
    this.#fd = fd;
    this.#isFile = isFile(fd);
    this.#options = { maxWrite: 65_536, maxWaiting: 4 * 1024 * 1024, ...options };
    process.once('exit', () => this.flushSync());
  }

  /** Takes one line, with its end. */
  write(line: string): void {
    if (this.#waiting + line.length > this.#options.maxWaiting) {
      this.#lost += 1;
      return;
    }
    this.#lines.push(line);
    this.#waiting += line.length;
    if (this.#isWriting) return;
    this.#timer ??= setTimeout(() => this.#writeNext(), this.#options.longestWait);
    if (this.#waiting < this.#options.minLength) return;
    // Not at once: a program that logs and exits in one go flushes all of it, in order.
    this.#isWriting = true;
    setImmediate(() => this.#writeNext());
  }

  /** Writes what waits, for a second at most; for the end of the process. */
  flushSync(): void {
    const until = performance.now() + LAST_LINES;
    let piece = this.#rest;
    while (piece.bytes.length > 0 || this.#lines.length > 0 || this.#lost > 0) {
      if (piece.bytes.length === 0) piece = this.#take(Number.POSITIVE_INFINITY);
      try {
        piece = this.#written(piece, writeSync(this.#fd, piece.bytes));
      } catch (error) {
        if (!isBusy(error) || performance.now() > until) return;
        Atomics.wait(NEVER, 0, 0, PAUSE);
      }
    }
  }

  #writeNext(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isWriting = this.#lines.length > 0;
    if (this.#isWriting) this.#writeOut(this.#take(this.#options.maxWrite));
  }

  #writeOut(piece: Piece): void {
    this.#rest = NOTHING;
    if (piece.told === 0 || !this.#isFile) {
      write(this.#fd, piece.bytes, (error, written) => this.#wentOut(piece, error, written));
      return;
    }
    // Nobody knows at the end of the process what comes of a write under way, and its notice would be given twice. A file does not block.
    let written = 0;
    let failure: unknown = null;
    try {
      written = writeSync(this.#fd, piece.bytes);
    } catch (error) {
      failure = error;
    }
    this.#wentOut(piece, failure, written);
  }

  #wentOut(piece: Piece, error: unknown, written: number): void {
    if (isBusy(error)) {
      this.#rest = piece;
      setTimeout(() => this.#writeOut(piece), PAUSE);
      return;
    }
    const rest = error ? piece : this.#written(piece, written);
    if (!error && rest.bytes.length > 0) {
      this.#writeOut(rest);
      return;
    }
    if (error) this.#lost += lineFeeds(rest.bytes.subarray(rest.noticeLength));
    this.#writeNext();
  }

  /** What is left of a piece of which so many bytes have been written. */
  #written(piece: Piece, count: number): Piece {
    if (count === 0) return piece;
    const { bytes, told, noticeLength } = piece;
    this.#isMidLine = bytes[count - 1] !== LINE_FEED;
    const rest = bytes.subarray(count);
    if (count < noticeLength) return { bytes: rest, told, noticeLength: noticeLength - count };
    this.#lost -= told;
    return { bytes: rest, told: 0, noticeLength: 0 };
  }

  /**
   * The next lines, together as long as they are no longer than that, and one at least. What was lost is told first, on a line of its own
   * though the last one was not ended; it counts as told when that is written.
   */
  #take(longest: number): Piece {
    let length = 0;
    let count = 0;
    for (const line of this.#lines) {
      length += line.length;
      if (count > 0 && length > longest) break;
      count += 1;
    }
    const lines = this.#lines.splice(0, count).join('');
    this.#waiting -= lines.length;
    const told = this.#lost;
    if (told === 0) return { bytes: Buffer.from(lines), told: 0, noticeLength: 0 };
    const said = { level: 'warn', time: Date.now(), lost: told, msg: 'lines of the log were lost' };
    const notice = Buffer.from(`${this.#isMidLine ? '\n' : ''}${JSON.stringify(said)}\n`);
    return { bytes: Buffer.concat([notice, Buffer.from(lines)]), told, noticeLength: notice.length };
  }
}

/** Bytes to write. The first `noticeLength` of them tell of `told` lost lines. */
interface Piece {
  readonly bytes: Buffer;
  readonly told: number;
  readonly noticeLength: number;
}

const NOTHING: Piece = { bytes: Buffer.alloc(0), told: 0, noticeLength: 0 };

const lineFeeds = (bytes: Buffer): number => bytes.reduce((count, byte) => count + (byte === LINE_FEED ? 1 : 0), 0);

function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}

/** The pipe is full and its reader slow. */
const isBusy = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'EAGAIN' || error.code === 'EBUSY');
