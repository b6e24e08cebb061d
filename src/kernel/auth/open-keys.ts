import { dirname, join } from 'node:path';
import type { Connection } from '../database/connection.ts';
import {
  CURRENT_FILE,
  createKeyFile,
  isMissing,
  type KeyFile,
  type KeySource,
  parseFiles,
  parseRing,
  readKeyFiles,
  readOtherFiles,
} from './key-files.ts';
import type { KeyRing } from './key-ring.ts';
import { assertKeysHeld, type DeriveDigestKey, registerKey } from './known-keys.ts';
import { newKeyPem } from './signing-key.ts';

/** The keys of a program that uses a database. */
export interface Keys {
  readonly ring: KeyRing;
  /** For what has to be found again after a rotation, such as digests that are looked up; the same on every instance. */
  readonly digestKey: DeriveDigestKey;
  /** What the ring was read from, for other processes of this program. */
  readonly files: readonly KeyFile[];
}

/**
 * Reads the ring, and makes the first key where that is wanted and the database knows of no other; a key that was lost is not replaced
 * in silence. Needs the schema up to date. Throws SigningKeyUnusable, SigningKeyLost or SigningKeyGivenUp.
 */
export async function openKeys(source: KeySource, writer: Connection): Promise<Keys> {
  const files = await readKeyFiles(source).catch(async (error: unknown) => {
    if (source.kind !== 'folder' || !source.create || !isMissing(error)) throw error;
    await createFirstKey(source.folder, writer);
    return await readKeyFiles(source);
  });
  const ring = await parseRing(files);
  return { ring, digestKey: await registerKey(writer, ring, placeOf(source)), files };
}

async function createFirstKey(folder: string, writer: Connection): Promise<void> {
  const others = await parseFiles(await readOtherFiles(folder));
  await assertKeysHeld(writer, new Map(others.map(({ key }) => [key.publicJwk.kid, key])), folder);
  await createKeyFile(join(folder, CURRENT_FILE), newKeyPem());
}

function placeOf(source: KeySource): string {
  if (source.kind === 'folder') return source.folder;
  return source.kind === 'file' ? source.file : dirname(source.files[0]?.file ?? '');
}
