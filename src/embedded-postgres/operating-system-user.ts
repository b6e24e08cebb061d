import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { DataDirUnusable } from './errors.ts';

/** Whom PostgreSQL's programs run as; undefined is the user of this program. */
export type RunAs = { readonly uid: number; readonly gid: number } | undefined;

/**
 * The user for PostgreSQL when this program is root, because PostgreSQL refuses to be root: the owner of the existing
 * files unless that is root, else `postgres`, else `nobody`.
 */
export async function userInsteadOfRoot(
  existing: { readonly uid: number; readonly gid: number } | undefined,
): Promise<NonNullable<RunAs>> {
  if (existing && existing.uid !== 0) return { uid: existing.uid, gid: existing.gid };
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const users = new Map(passwd.split('\n').map((line) => [line.split(':')[0], line.split(':')]));
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = users.get(name) ?? [];
    if (Number(uid) > 0) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new DataDirUnusable(
    '/etc/passwd',
    'PostgreSQL refuses to run as root, and there is no user "postgres" or "nobody" to run it as',
  );
}

/** Whether that user can enter and write the directory: tried, because modes, mounts and access lists all have a say. */
export async function canUseDirectory(directory: string, runAs: RunAs): Promise<boolean> {
  const { code } = await run('/bin/sh', ['-c', 'cd "$1" && test -w .', 'sh', directory], runAs);
  return code === 0;
}

export interface Outcome {
  /** Undefined when the program could not be started, or ended by a signal. */
  readonly code: number | undefined;
  /** What it wrote, both streams together; or why it could not be started. */
  readonly output: string;
}

/** Runs a program to its end as that user. Never rejects: what went wrong is in the outcome. */
export async function run(command: string, args: readonly string[], runAs: RunAs): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  let output = '';
  try {
    const child = spawn(command, args, { ...runAs, cwd: '/', env: postgresEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', (error) => resolve({ code: undefined, output: error.message }));
    child.on('close', (code) => resolve({ code: code ?? undefined, output: output.trim() }));
  } catch (error) {
    resolve({ code: undefined, output: String(error) });
  }
  return promise;
}

/** Nothing of the caller's PG* variables or locale reaches PostgreSQL; messages are English, times UTC. */
export function postgresEnvironment(): NodeJS.ProcessEnv {
  return { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C', TZ: 'UTC' };
}
