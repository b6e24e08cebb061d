import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const PATIENCE_MS = 60_000;
/** More than the service takes at most for the calls in flight. */
const STOP_PATIENCE_MS = 20_000;

export interface ProgramOptions {
  /** Of node: its flags, the file, and the file's own arguments. */
  readonly arguments: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Gets what the program writes to both of its outputs. */
  readonly logFile: string;
  readonly isReady: () => Promise<boolean>;
}

export interface Program {
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

/** Runs a program of Node.js, in a clean environment, and resolves when it is ready. */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  const log = openSync(options.logFile, 'a');
  const { PATH = '', HOME = '', TMPDIR = '/tmp' } = process.env;
  const child = spawn(process.execPath, options.arguments, {
    cwd: options.cwd,
    env: { PATH, HOME, TMPDIR, ...options.environment },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  await once(child, 'spawn');
  const stop = () => stopProgram(child);
  try {
    await ready(child, options);
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: child.pid ?? 0, stop };
}

async function ready(child: ChildProcess, { isReady, logFile, arguments: program }: ProgramOptions): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await isReady())) {
    if (child.exitCode === null && child.signalCode === null && performance.now() < deadline) {
      await delay(10);
      continue;
    }
    const output = await readFile(logFile, 'utf8');
    throw new Error(`node ${program.join(' ')} does not serve:\n${output.slice(-2000)}`);
  }
}

async function stopProgram(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const tooLong = setTimeout(() => child.kill('SIGKILL'), STOP_PATIENCE_MS);
  await ended;
  clearTimeout(tooLong);
}

/** A TCP port of this machine that nobody listens at. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('there is no free port');
  return address.port;
}
