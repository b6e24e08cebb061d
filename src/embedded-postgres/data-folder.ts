import { access, open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** The major version that made a data folder, e.g. `18`; undefined when this is no data folder. */
export async function dataFolderVersion(folder: string): Promise<string | undefined> {
  const text = await readFile(join(folder, 'PG_VERSION'), 'utf8').catch(() => '');
  return text.trim() || undefined;
}

/** The number that a primary and its replicas have in common: the first field of pg_control, in this machine's byte order. */
export async function systemIdentifier(folder: string): Promise<string | undefined> {
  const file = await open(join(folder, 'global', 'pg_control')).catch(() => undefined);
  if (!file) return undefined;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, 0);
    return bytesRead === 8 ? buffer.toString('hex') : undefined;
  } finally {
    await file.close();
  }
}

/** Whether a server on this folder would follow a primary. PostgreSQL removes the file at a promotion. */
export async function isStandby(folder: string): Promise<boolean> {
  return access(join(folder, 'standby.signal')).then(
    () => true,
    () => false,
  );
}

/** A folder in the making is named so, and renamed when it is whole. */
export const UNFINISHED = '.unfinished-';

/** Removes what was in the making when a program died. */
export async function removeUnfinished(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    if (name.includes(UNFINISHED)) await rm(join(home, name), { recursive: true, force: true, maxRetries: 5 });
  }
}
