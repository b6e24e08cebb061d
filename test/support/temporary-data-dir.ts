import { randomUUID } from 'node:crypto';
import { readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TemporaryDataDir extends AsyncDisposable {
  readonly path: string;
}

/** Servers of a program that was killed end a moment after it, and write until then. */
const WHILE_SERVERS_END = { recursive: true, force: true, maxRetries: 100, retryDelay: 10 };

/**
 * A data directory that is not made yet and is removed at the end. Not in a directory of its own:
 * a tests' root would make that for itself only, where PostgreSQL's user cannot enter.
 */
export function temporaryDataDir(below = tmpdir()): TemporaryDataDir {
  const path = join(below, `bicameral-test-${randomUUID()}`);
  return {
    path,
    async [Symbol.asyncDispose]() {
      const outside = await readlink(join(path, 'postgres')).catch(() => undefined);
      if (outside) await rm(outside, WHILE_SERVERS_END);
      await rm(path, WHILE_SERVERS_END);
    },
  };
}
