import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterLogger } from './cluster-logger.ts';
import { describeEnd, type PostmasterEnd } from './postmaster.ts';
import type { Server } from './server.ts';

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
/** A server that ran for so long was well: the pause begins anew, in milliseconds. */
const WELL_AFTER = 60_000;

/** Keeps a server running: after a crash it is brought up again, with pauses that double from 0.5 s to 10 s. */
export class ServerKeeper {
  readonly #server: Server;
  readonly #bringUp: (signal: AbortSignal) => Promise<void>;
  readonly #logger: ClusterLogger;
  #canceled = new AbortController();
  /** The bringing up under way; one at a time, because it may remake the folder. Never rejects. */
  #work: Promise<void> = Promise.resolve();
  #restarting = false;
  #working = false;
  #pause = FIRST_PAUSE;
  #startedAt = 0;

  constructor(options: {
    readonly server: Server;
    readonly bringUp: (signal: AbortSignal) => Promise<void>;
    readonly logger: ClusterLogger;
  }) {
    this.#server = options.server;
    this.#bringUp = options.bringUp;
    this.#logger = options.logger;
  }

  /** Does nothing when the server runs already. */
  async start(): Promise<void> {
    if (this.#canceled.signal.aborted) this.#canceled = new AbortController();
    await this.#work;
    if (await this.#server.isRunning()) return;
    await this.#keepWork(this.#bringUp(this.#canceled.signal));
  }

  /** Whether the server is to run, and nobody is bringing it up just now. */
  get isSettled(): boolean {
    return !this.#canceled.signal.aborted && !this.#restarting && !this.#working;
  }

  /** Replaces a server that runs and is not what it should be, or that an earlier try left stopped. */
  async replace(bringUp: (signal: AbortSignal) => Promise<void>): Promise<void> {
    await this.#work;
    const { signal } = this.#canceled;
    if (signal.aborted) return;
    await this.#keepWork(bringUp(signal));
  }

  /** From now on the server is not brought up again; one that runs goes on. */
  cancel(): void {
    this.#canceled.abort();
  }

  async stop(): Promise<void> {
    this.cancel();
    await this.#server.stop();
    // What was under way may have come to its start just after that.
    await this.#work;
    await this.#server.stop();
  }

  /** To be called when the server ended and this program did not stop it. An orderly stop is somebody's wish: it stays stopped. */
  ended(end: PostmasterEnd): void {
    const { signal } = this.#canceled;
    if (signal.aborted) return;
    if (end.code === 0) {
      this.#logger.warn({ server: this.#server.name }, 'somebody else stopped PostgreSQL; it stays stopped');
      this.cancel();
      return;
    }
    if (performance.now() - this.#startedAt > WELL_AFTER) this.#pause = FIRST_PAUSE;
    this.#logger.error({ server: this.#server.name, restartInMs: this.#pause }, `PostgreSQL crashed: ${describeEnd(end)}`);
    if (this.#restarting) return;
    this.#restarting = true;
    const before = this.#work;
    this.#work = before
      .then(() => this.#bringBack(signal))
      .catch(() => {})
      .finally(() => {
        this.#restarting = false;
      });
  }

  async #keepWork(work: Promise<void>): Promise<void> {
    this.#working = true;
    this.#work = work
      .catch(() => {})
      .finally(() => {
        this.#working = false;
      });
    await work;
    this.#startedAt = performance.now();
  }

  /** Rejects when it is canceled during a pause. */
  async #bringBack(signal: AbortSignal): Promise<void> {
    const server = this.#server.name;
    do {
      await delay(this.#pause, undefined, { signal });
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
      try {
        // During the pause somebody may have started it by hand: then it is theirs.
        if ((await this.#server.isRunning()) || signal.aborted) return;
        await this.#bringUp(signal);
        this.#startedAt = performance.now();
        this.#logger.info({ server }, 'PostgreSQL runs again');
      } catch (err) {
        if (!signal.aborted)
          this.#logger.error({ err, server, nextTryInMs: this.#pause }, 'PostgreSQL could not be started again');
      }
      // Asked again: it may have crashed once more while it was being brought up.
    } while (!signal.aborted && !(await this.#server.isRunning()));
  }
}
