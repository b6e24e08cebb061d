import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { chown } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { errorCode } from './error-code.ts';
import { DataDirInUse, DataDirUnusable } from './errors.ts';

export interface DataDirLock {
  release(): void;
}

/** https://www.sqlite.org/rescode.html */
const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

/**
 * Makes this program the only one to use a directory, until `release` or until the program ends in any way.
 *
 * The lock is SQLite's exclusive lock on the file `lock`: the kernel drops it with the process, so that `kill -9` leaves
 * nothing stale. `lock.pid` beside it is only for the message. Throws `DataDirInUse`.
 */
export async function lockDataDir(dataDir: string, pid = process.pid): Promise<DataDirLock> {
  const pidFile = join(dataDir, 'lock.pid');
  const database = takeLock(dataDir, pidFile);
  try {
    writeFileSync(pidFile, `${pid}\n`, { mode: 0o600 });
    // Root may lock a directory of another user, who must be able to lock it again later.
    const { uid, gid } = statSync(dataDir);
    if (process.getuid?.() === 0) for (const file of [join(dataDir, 'lock'), pidFile]) await chown(file, uid, gid);
  } catch (cause) {
    database.close();
    throw new DataDirUnusable(pidFile, `cannot be written: ${reasonOf(cause)}`, cause);
  }
  return {
    release() {
      if (!database.isOpen) return;
      rmSync(pidFile, { force: true });
      database.close();
    },
  };
}

function takeLock(dataDir: string, pidFile: string): DatabaseSync {
  // Nothing else may open the file `lock`: POSIX drops a process's locks on a file when it closes any descriptor of it.
  const lockFile = join(dataDir, 'lock');
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(lockFile, { timeout: 0 });
    database.exec('pragma locking_mode = exclusive; pragma journal_mode = memory; begin exclusive');
    return database;
  } catch (cause) {
    database?.close();
    if (isBusy(cause)) throw new DataDirInUse(dataDir, holder(pidFile));
    throw new DataDirUnusable(lockFile, `cannot be opened: ${reasonOf(cause)}`, cause);
  }
}

/** SQLite's words for a full disk and for a damaged file, with what to do. */
function reasonOf(cause: unknown): string {
  if (errorCode(cause) === 'ENOSPC' || sqliteCode(cause) === SQLITE_FULL) return 'the disk is full; make room on it';
  if (sqliteCode(cause) === SQLITE_NOTADB) return 'it is damaged; delete it';
  return `${cause instanceof Error ? cause.message : cause}; check its owner, and whether the disk is full`;
}

const sqliteCode = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'errcode' in error ? error.errcode : undefined;

function isBusy(error: unknown): boolean {
  return sqliteCode(error) === SQLITE_BUSY;
}

function holder(pidFile: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(pidFile, 'utf8'), 10) || undefined;
  } catch {
    return undefined;
  }
}
