import { spawn } from 'node:child_process';
import type { FileHandle } from 'node:fs/promises';
import { postgresEnvironment, type RunAs } from './operating-system-user.ts';
import { type ServerSettings, settingArguments } from './server-settings.ts';

/** How a server's main process ended: a code, a signal, or an error when it never began. */
export interface PostmasterEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly error?: Error;
}

/** The main process of one PostgreSQL server, as our child. */
export interface Postmaster {
  /** Undefined when it could not be started. */
  readonly pid: number | undefined;
  /** Never rejects. */
  readonly ended: Promise<PostmasterEnd>;
  hasEnded(): boolean;
}

/**
 * Leaves a watcher behind and becomes PostgreSQL. The watcher reads the pipe that our program holds: a line says that
 * PostgreSQL has ended; the end of the pipe without one says that our program died, by whatever means, and PostgreSQL is
 * shut down. The inner subshell makes the watcher an orphan: PostgreSQL would take a child that it does not know for a crash.
 */
const BECOME_POSTGRES = `
exec 3<&0 </dev/null
( { read -r ended <&3 || kill -INT $$; } >/dev/null 2>&1 & )
exec 3<&-
exec "$@"
`;

/**
 * Starts a server in a session of its own, where Ctrl-C on our terminal does not reach it; it ends with our program, even by `kill -9`.
 */
export function spawnPostmaster(options: {
  readonly postgres: string;
  readonly folder: string;
  readonly settings: ServerSettings;
  readonly log: FileHandle;
  readonly runAs: RunAs;
}): Postmaster {
  const { postgres, folder, settings, log, runAs } = options;
  const args = ['-c', BECOME_POSTGRES, 'sh', postgres, '-D', folder, ...settingArguments(settings)];
  const { promise, resolve } = Promise.withResolvers<PostmasterEnd>();
  let end: PostmasterEnd | undefined;
  const child = spawn('/bin/sh', args, {
    ...runAs,
    cwd: '/',
    env: postgresEnvironment(),
    detached: true,
    stdio: ['pipe', log.fd, log.fd],
  });
  const finish = (how: PostmasterEnd) => {
    end ??= how;
    child.stdin?.end('ended\n');
    resolve(end);
  };
  child.stdin?.on('error', () => {});
  child.on('error', (error) => finish({ code: null, signal: null, error }));
  child.on('exit', (code, signal) => finish({ code, signal }));
  return { pid: child.pid, ended: promise, hasEnded: () => end !== undefined };
}

export function describeEnd({ code, signal, error }: PostmasterEnd): string {
  if (error) return error.message;
  return signal ? `it was ended by ${signal}` : `it ended with code ${code}`;
}
