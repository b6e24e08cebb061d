import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { describe } from '@jest/globals';

/** The folder of an installed tool, or in one line why this machine cannot have it. */
export type Tool = { readonly folder: string } | { readonly missing: string };

export const ROOT = resolve(import.meta.dirname, '../..');
const CACHE = join(ROOT, 'node_modules/.cache/interop');
/** An installation that hangs, as it may without a network, is given up after five minutes. */
const PATIENCE = 300_000;

/** Runs a program to its end and answers its standard output. Throws `Failed`. */
export async function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string> {
  const { cwd = ROOT, env } = options;
  try {
    const { stdout } = await promisify(execFile)(command, args, {
      cwd,
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      maxBuffer: 64 * 1024 * 1024,
      timeout: PATIENCE,
      killSignal: 'SIGINT',
    });
    return stdout;
  } catch (error) {
    throw new Failed(command, error as ConstructorParameters<typeof Failed>[1]);
  }
}

/** A program that could not be run, or that ended with another code than 0. */
export class Failed extends Error {
  /** What happened, in one line. */
  readonly summary: string;
  readonly stdout: string;
  readonly stderr: string;

  constructor(command: string, cause: { code?: unknown; killed?: boolean; stdout?: string; stderr?: string }) {
    const { code, killed, stdout = '', stderr = '' } = cause;
    const lastLine = stderr.trim().split('\n').at(-1) ?? '';
    super(`${command} failed with ${code}:\n${stderr}${stdout}`, { cause });
    const name = basename(command);
    if (code === 'ENOENT') this.summary = `${name} is not installed`;
    else if (killed) this.summary = `${name} did not end in ${PATIENCE / 60_000} minutes`;
    else this.summary = `${name} failed: ${lastLine.slice(0, 120)}`;
    this.stdout = stdout;
    this.stderr = stderr;
  }
}

/** Answers the folder that `make` does, or why a program that it runs cannot make it. */
export async function available(make: () => Promise<string>): Promise<Tool> {
  try {
    return { folder: await make() };
  } catch (error) {
    if (error instanceof Failed) return { missing: error.summary };
    throw error;
  }
}

/**
 * Installs a tool into node_modules/.cache once for each `version`, a text of all that decides what is installed.
 * `install` fills a folder that takes its final place when it is done, so that runs at the same time, or one that is stopped, do no harm.
 */
export function installed(tool: {
  readonly name: string;
  readonly version: () => Promise<string>;
  readonly install: (folder: string) => Promise<unknown>;
}): Promise<Tool> {
  return available(async () => {
    const hash = createHash('sha256')
      .update(await tool.version())
      .digest('hex');
    const folder = join(CACHE, `${tool.name}-${hash.slice(0, 16)}`);
    if (existsSync(folder)) return folder;
    const unfinished = `${folder}.${process.pid}`;
    await mkdir(CACHE, { recursive: true });
    try {
      await tool.install(unfinished);
      await rename(unfinished, folder).catch((error: unknown) => {
        if (!existsSync(folder)) throw error;
      });
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
    return folder;
  });
}

/**
 * Does work that another test file may be doing too, one after the other: Go compiles what two programs share only once, unless
 * they are compiled at the same time. The lock is SQLite's, because it ends with the process that holds it. Waiting blocks the thread.
 */
export async function oneAtATime<T>(work: () => Promise<T>): Promise<T> {
  await mkdir(CACHE, { recursive: true });
  const lock = new DatabaseSync(join(CACHE, 'lock'), { timeout: PATIENCE });
  try {
    lock.exec('begin exclusive');
    return await work();
  } finally {
    lock.close();
  }
}

/** `describe` for tests that need a tool. Without it they are skipped, and their title says why. */
export function describeWith(title: string, tool: Tool, tests: (folder: string) => void): void {
  if ('folder' in tool) {
    describe(title, () => tests(tool.folder));
    return;
  }
  const skipped = `${title} (skipped: ${tool.missing})`;
  // jest prints no titles of a file that is skipped as a whole.
  process.stderr.write(`${skipped}\n`);
  describe.skip(skipped, () => tests(''));
}
