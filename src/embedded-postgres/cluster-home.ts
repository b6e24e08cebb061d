import { chmod, chown, lstat, mkdir, mkdtemp, realpath, rmdir, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ClusterLogger } from './cluster-logger.ts';
import { errorCode } from './error-code.ts';
import { DataDirUnusable } from './errors.ts';
import { canUseDirectory, type RunAs, userInsteadOfRoot } from './operating-system-user.ts';

export interface ClusterHome {
  /** The directory of everything that is PostgreSQL's; absolute, without symbolic links, mode 0700 when made here. */
  readonly path: string;
  readonly runAs: RunAs;
}

/** Makes the data directory for its owner only, if it is missing. Answers whether it was. */
export async function makeDataDir(dataDir: string): Promise<boolean> {
  try {
    await mkdir(dirname(dataDir), { recursive: true });
    await mkdir(dataDir, { mode: 0o700 });
    return true;
  } catch (cause) {
    if (await isDirectory(dataDir)) return false;
    throw new DataDirUnusable(dataDir, whyNotMade(cause), cause);
  }
}

/**
 * The directory `postgres` in the data directory, and whom PostgreSQL runs as.
 *
 * Root runs PostgreSQL as another user. Where that user cannot enter the data directory, because a folder above is closed
 * to it, `postgres` becomes a symbolic link to a directory outside: folders that are not ours keep their modes.
 */
export async function prepareClusterHome(options: {
  readonly dataDir: string;
  readonly dataDirIsNew: boolean;
  readonly isRoot: boolean;
  readonly logger: ClusterLogger;
}): Promise<ClusterHome> {
  const { dataDir, isRoot } = options;
  const link = join(dataDir, 'postgres');
  const existing = await lstat(link).catch(() => undefined);
  if (existing && !(await isDirectory(link))) {
    const problem = existing.isSymbolicLink()
      ? 'is a link to a directory that is gone; restore that directory'
      : 'is not a directory';
    throw new DataDirUnusable(link, `${problem}, or delete it to begin with an empty database`);
  }
  if (!isRoot) return { path: await ownHome(link), runAs: undefined };

  const runAs = await userInsteadOfRoot(existing && (await stat(link)));
  if (options.dataDirIsNew) {
    // Just enough for PostgreSQL's user to pass through; nobody else may.
    await chown(dataDir, 0, runAs.gid);
    await chmod(dataDir, 0o710);
  }
  if (!existing) return { path: await newHomeOfRoot(link, runAs, options.logger), runAs };
  const path = await realpath(link);
  // A program that was killed right after making the directory left it to root.
  if ((await stat(path)).uid === 0)
    await rmdir(path)
      .then(() => makeOwned(path, runAs))
      .catch(() => {});
  if (await canUseDirectory(path, runAs)) return { path, runAs };
  throw new DataDirUnusable(
    path,
    `the user with uid ${runAs.uid}, whom PostgreSQL runs as, cannot write it; check the modes of the folders above`,
  );
}

async function ownHome(link: string): Promise<string> {
  try {
    await mkdir(link, { mode: 0o700, recursive: true });
    const path = await realpath(link);
    if (await canUseDirectory(path, undefined)) return path;
  } catch (cause) {
    throw new DataDirUnusable(link, whyNotMade(cause), cause);
  }
  throw new DataDirUnusable(link, 'belongs to another user; run as that user, or set DATA_DIR to another directory');
}

async function newHomeOfRoot(link: string, runAs: NonNullable<RunAs>, logger: ClusterLogger): Promise<string> {
  await makeOwned(link, runAs);
  if (await canUseDirectory(link, runAs)) return realpath(link);
  await rmdir(link);

  for (const base of ['/var/lib/bicameral', tmpdir(), '/tmp']) {
    const path = await outsideHome(base, runAs);
    if (!path) continue;
    await symlink(path, link);
    logger.warn(
      { link, path, uid: runAs.uid },
      'the database is kept outside DATA_DIR, because PostgreSQL cannot run as root and its user cannot enter DATA_DIR',
    );
    return path;
  }
  throw new DataDirUnusable(
    link,
    `the user with uid ${runAs.uid}, whom PostgreSQL runs as, cannot enter it; set DATA_DIR to a directory below one that all may enter`,
  );
}

async function outsideHome(base: string, runAs: NonNullable<RunAs>): Promise<string | undefined> {
  try {
    await mkdir(base, { recursive: true, mode: 0o755 });
    const path = await realpath(await mkdtemp(join(base, 'cluster-')));
    await chown(path, runAs.uid, runAs.gid);
    if (await canUseDirectory(path, runAs)) return path;
    await rmdir(path);
  } catch {
    // The next place may do.
  }
  return undefined;
}

async function makeOwned(path: string, runAs: NonNullable<RunAs>): Promise<void> {
  await mkdir(path, { mode: 0o700 });
  await chown(path, runAs.uid, runAs.gid);
}

function whyNotMade(cause: unknown): string {
  if (errorCode(cause) === 'ENOSPC') return 'cannot be made: the disk is full; make room on it, or set DATA_DIR to another disk';
  return 'cannot be made; set DATA_DIR to a directory that you may write';
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
