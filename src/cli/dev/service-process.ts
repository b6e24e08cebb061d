import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connections } from '../../kernel/database/connection.ts';

/** What `dev-service` is told first. */
export interface DevSetup {
  /** Undefined: the environment says where the database is. */
  readonly connections: Connections | undefined;
}

/** What `dev-service` tells once it serves. */
export interface DevReport {
  readonly welcome: string;
}

/** Two thirds of a start are spent on compiling what has not changed. */
const COMPILE_CACHE = resolve('node_modules/.cache/compiled');

export type Started = { readonly serves: true; readonly welcome: string } | { readonly serves: false; readonly why: string };

/** How long a service may take to stop, in milliseconds. Nobody waits for the calls of a service that is being written. */
const PATIENCE = 1_500;

/** The service, in a process of its own that can be replaced. */
export class ServiceProcess {
  readonly #setup: DevSetup;
  readonly #flags: readonly string[];
  #child: ChildProcess | undefined;

  /** With `inspect`, a debugger can attach: at 127.0.0.1:9229, or at the address that is given. */
  constructor({ connections, inspect }: { connections: Connections | undefined; inspect?: string | true }) {
    this.#setup = { connections };
    this.#flags = inspect === undefined ? [] : [inspect === true ? '--inspect' : `--inspect=${inspect}`];
  }

  /** Resolves when the service serves, or has ended before it did. The signal ends one that does not serve yet. */
  async start(signal: AbortSignal): Promise<Started> {
    const child = fork(process.argv[1] ?? '', ['dev-service'], {
      execArgv: [...process.execArgv, ...this.#flags],
      env: { SHUTDOWN_GRACE_SECONDS: '0', NODE_COMPILE_CACHE: COMPILE_CACHE, ...process.env },
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    this.#child = child;
    let said = '';
    child.stderr?.on('data', (chunk) => {
      said += chunk;
    });
    child.send(this.#setup);
    const giveUp = (): unknown => child.kill('SIGKILL');
    signal.addEventListener('abort', giveUp);
    const ended = new AbortController();
    const end = once(child, 'close').then((): Started => ({ serves: false, why: withoutForeignStack(said) }));
    const serving = once(child, 'message', { signal: ended.signal }).then(
      ([report]): Started => ({ serves: true, welcome: (report as DevReport).welcome }),
      () => end,
    );
    const started = await Promise.race([serving, end]);
    ended.abort();
    signal.removeEventListener('abort', giveUp);
    // What it says from here on is for the person at the terminal at once.
    child.stderr?.on('data', (chunk) => process.stderr.write(chunk));
    return started;
  }

  /** By SIGTERM, and by SIGKILL when that takes too long. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const closed = once(child, 'close');
    child.kill('SIGTERM');
    const inTime = new AbortController();
    const late = sleep(PATIENCE, undefined, { signal: inTime.signal }).then(
      () => child.kill('SIGKILL'),
      () => {},
    );
    await closed;
    inTime.abort();
    await late;
  }
}

/** Without the lines of a stack that lead into Node.js or a package: what the project is to mend is in none of these. */
export function withoutForeignStack(text: string): string {
  const isForeign = (line: string): boolean => /^\s+at .*(?:node:|node_modules\/)|^Node\.js v\d|^node:internal/.test(line);
  return text
    .split('\n')
    .filter((line) => !isForeign(line))
    .join('\n')
    .replace(/\n{3,}/g, '\n\n');
}
