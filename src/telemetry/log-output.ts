import { write, writeSync } from 'node:fs';

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
const NOTHING = Buffer.alloc(0);
/** Nobody wakes who waits for it. */
const NEVER = new Int32Array(new SharedArrayBuffer(4));

/**
 * Writes lines to a file descriptor in the background, for pino. What is on the other end decides nothing: a reader that goes away
 * (EPIPE), a terminal that hung up (EIO) or a full disk (ENOSPC) costs lines, never the program, and a slow one costs bounded memory.
 * When lines can be written again, the first one says how many were lost.
 *
 * sonic-boom, pino's own, does not do: its flush at the end tries again for ever after any error.
 */
export class LogOutput {
  readonly #fd: number;
  readonly #options: Required<LogOutputOptions>;
  #lines: string[] = [];
  #waiting = 0;
  #lost = 0;
  /** What a slow reader has not taken yet of the piece that is being written. */
  #rest: Buffer = NOTHING;
  #isWriting = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(fd: number, options: LogOutputOptions) {
    this.#fd = fd;
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
    let bytes = Buffer.concat([this.#rest, Buffer.from(this.#take(Number.POSITIVE_INFINITY))]);
    while (bytes.length > 0) {
      try {
        bytes = bytes.subarray(writeSync(this.#fd, bytes));
      } catch (error) {
        if (!isBusy(error) || performance.now() > until) return;
        Atomics.wait(NEVER, 0, 0, PAUSE);
      }
    }
  }

  #writeNext(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const piece = this.#take(this.#options.maxWrite);
    this.#isWriting = piece !== '';
    if (this.#isWriting) this.#writeOut(Buffer.from(piece));
  }

  #writeOut(bytes: Buffer): void {
    this.#rest = NOTHING;
    write(this.#fd, bytes, (error, written) => {
      if (isBusy(error)) {
        this.#rest = bytes;
        setTimeout(() => this.#writeOut(bytes), PAUSE);
      } else if (!error && written < bytes.length) {
        this.#writeOut(bytes.subarray(written));
      } else {
        if (error) this.#lost += bytes.filter((byte) => byte === LINE_FEED).length;
        this.#writeNext();
      }
    });
  }

  /** The next lines, together as long as they are no longer than that, and one at least. What was lost is told first. */
  #take(longest: number): string {
    let length = 0;
    let count = 0;
    for (const line of this.#lines) {
      length += line.length;
      if (count > 0 && length > longest) break;
      count += 1;
    }
    const taken = this.#lines.splice(0, count).join('');
    this.#waiting -= taken.length;
    if (taken === '' || this.#lost === 0) return taken;
    const told = `${JSON.stringify({ level: 'warn', time: Date.now(), lost: this.#lost, msg: 'lines of the log were lost' })}\n`;
    this.#lost = 0;
    return told + taken;
  }
}

/** The pipe is full and its reader slow. */
const isBusy = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'EAGAIN' || error.code === 'EBUSY');
