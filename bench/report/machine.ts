import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { h2loadVersion } from '../load/h2load.ts';
import { ROOT } from '../subjects/start-subject.ts';

/** Where and of what a run was made. */
export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly driver: string;
  /** Of the packages that the subjects are made of. */
  readonly versions: Readonly<Record<string, string>>;
  /** With `+` when files have been changed since; undefined outside of a repository. */
  readonly commit: string | undefined;
}

export async function describeMachine(): Promise<Machine> {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: availableParallelism(),
    memoryGiB: Math.round((totalmem() / 1024 ** 3) * 10) / 10,
    system: `${type()} ${release()}`,
    node: process.version,
    driver: await h2loadVersion(),
    versions: await versions(),
    commit: await commit(),
  };
}

async function versions(): Promise<Record<string, string>> {
  const files = [join(ROOT, 'package.json'), join(ROOT, 'bench', 'package.json')];
  const packages = await Promise.all(files.map(async (file) => JSON.parse(await readFile(file, 'utf8')).dependencies));
  return Object.assign({}, ...packages);
}

async function commit(): Promise<string | undefined> {
  const git = async (...args: string[]): Promise<string> => (await promisify(execFile)('git', args, { cwd: ROOT })).stdout.trim();
  try {
    const changes = await git('status', '--porcelain', '--untracked-files=no');
    return `${await git('rev-parse', '--short', 'HEAD')}${changes ? '+' : ''}`;
  } catch {
    return undefined;
  }
}
