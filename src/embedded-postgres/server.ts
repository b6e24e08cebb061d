import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { administer } from './administer.ts';
import type { ConnectionSettings } from './connection-settings.ts';
import { errorCode } from './error-code.ts';
import { PostgresDidNotStart } from './errors.ts';
import type { RunAs } from './operating-system-user.ts';
import { describeEnd, type Postmaster, type PostmasterEnd, spawnPostmaster } from './postmaster.ts';
import { endProcesses, freeDataFolder, runningPostmaster } from './running-postmaster.ts';
import type { ServerLog } from './server-log.ts';
import type { ServerSettings } from './server-settings.ts';

/** SQLSTATE classes of a refusal that does not pass: system and internal errors, a missing database, a missing role. */
export const HOPELESS = /^(58|XX|3D|28)...$/;

export interface ServerOptions {
  readonly name: 'primary' | 'replica';
  readonly folder: string;
  /** The superuser's way in, through this server's socket. */
  readonly superuser: ConnectionSettings;
  readonly postgres: string;
  readonly settings: ServerSettings;
  readonly log: ServerLog;
  readonly runAs: RunAs;
  /** How long a start may take, in milliseconds. Recovery after a crash is part of it. */
  readonly patience: number;
  /** Called when a server ends without `stop`: one that was ready in any way, one that was not in order (code 0). */
  readonly onUnexpectedEnd: (end: PostmasterEnd) => void;
}

/** One PostgreSQL server on one data folder: started, made sure of, stopped. */
export class Server {
  readonly folder: string;
  readonly name: string;
  readonly logFile: string;
  readonly superuser: ConnectionSettings;
  readonly #options: ServerOptions;
  #postmaster: Postmaster | undefined;
  #stopping = false;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.folder = options.folder;
    this.name = options.name;
    this.logFile = options.log.file;
    this.superuser = options.superuser;
  }

  /** The process id of the server on this folder, even if somebody else started it. */
  async pid(): Promise<number | undefined> {
    const recorded = await runningPostmaster(this.folder);
    if (recorded !== undefined) return recorded;
    return this.#postmaster?.hasEnded() ? undefined : this.#postmaster?.pid;
  }

  async isRunning(): Promise<boolean> {
    return (await this.pid()) !== undefined;
  }

  /** Resolves when the server takes connections. Throws `PostgresDidNotStart`, and then nothing runs. */
  async start(): Promise<void> {
    const { folder, postgres, settings, log, runAs, superuser, onUnexpectedEnd } = this.#options;
    this.#stopping = false;
    await freeDataFolder(folder);
    await rm(join(superuser.host, `.s.PGSQL.${superuser.port}.lock`), { force: true });
    const file = await log.open();
    // Looked at last: a stop that came during the lines above found no process to end.
    const postmaster = this.#stopping ? undefined : spawnPostmaster({ postgres, folder, settings, log: file, runAs });
    this.#postmaster = postmaster;
    await file.close();
    if (!postmaster) throw await this.#failed('it was told to stop first');
    await this.#untilReady(postmaster);
    void postmaster.ended.then((end) => {
      if (!this.#stopping) onUnexpectedEnd(end);
    });
  }

  /** Fast shutdown, by force when it takes too long; whoever started the server. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const pid = await this.pid();
    if (pid !== undefined) await endProcesses([pid]);
  }

  async #untilReady(postmaster: Postmaster): Promise<void> {
    const { patience, superuser, onUnexpectedEnd } = this.#options;
    const deadline = performance.now() + patience;
    for (let pause = 15; ; pause = Math.min(pause * 1.2, 250)) {
      const refusal = await administer(superuser, (client) => client.query('select')).then(
        () => undefined,
        (error: unknown) => error ?? 'refused',
      );
      if (postmaster.hasEnded()) {
        const end = await postmaster.ended;
        if (end.code === 0 && !this.#stopping) onUnexpectedEnd(end);
        throw await this.#failed(describeEnd(end), refusal);
      }
      if (!refusal) return;
      if (HOPELESS.test(String(errorCode(refusal)))) {
        await this.stop();
        throw await this.#failed(String(refusal), refusal);
      }
      if (performance.now() > deadline) {
        await this.stop();
        throw await this.#failed(`it took no connections for ${patience / 1000} s`, refusal);
      }
      // Each refusal is a line in the server's log.
      await delay(pause);
    }
  }

  async #failed(problem: string, cause?: unknown): Promise<PostgresDidNotStart> {
    const { name, log } = this.#options;
    return new PostgresDidNotStart(name, problem, { file: log.file, lastLines: await log.lastLines() }, cause);
  }
}
