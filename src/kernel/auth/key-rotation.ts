import { randomUUID } from 'node:crypto';
import { link, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CURRENT_FILE,
  createKeyFile,
  formerFile,
  isMissing,
  loadSigningKey,
  NEXT_FILE,
  parseFiles,
  readKeyFiles,
  SigningKeyUnusable,
  writeDraft,
} from './key-files.ts';
import { isSigningKey, newKeyPem, publicPem, type SigningKey, type VerifyingKey } from './signing-key.ts';

/** What a key of a ring does: signs; will sign after the next rotation; verifies all; verifies seals, as the public half that is left. */
export type KeyRole = 'signs' | 'next' | 'verifies' | 'retired';

/** A key of a ring with its file. */
export interface RingEntry {
  readonly file: string;
  readonly keyId: string;
  readonly role: KeyRole;
}

/** The rotation cannot be gone on with; the message says what is missing. Nothing was changed. */
export class RotationRefused extends Error {
  constructor(problem: string) {
    super(problem);
    this.name = 'RotationRefused';
  }
}

/** The keys in the folder, the one that signs first. Throws SigningKeyUnusable. */
export async function listRing(folder: string): Promise<RingEntry[]> {
  const keys = await parseFiles(await readKeyFiles({ kind: 'folder', folder, create: false }));
  return keys.map(({ file, key }) => ({ file, keyId: key.publicJwk.kid, role: roleOf(folder, file, key) }));
}

/** Makes the key that signs after the next rotation, and answers its id. The instances verify with it once they have it. */
export async function prepareKey(folder: string): Promise<string> {
  const file = join(folder, NEXT_FILE);
  await loadSigningKey(join(folder, CURRENT_FILE));
  if (!(await createKeyFile(file, newKeyPem())))
    throw new RotationRefused(
      `${file} exists already: give it to every instance, then let it sign with \`bicameral keys rotate\`.`,
    );
  return (await loadSigningKey(file)).publicJwk.kid;
}

/**
 * Lets the prepared key sign, and keeps the one before among those that verify; answers both ids. With `unprepared`, the new key is made
 * now. There is a key that signs at every moment, and what was cut off in the middle is finished by rotating again.
 */
export async function rotateKeys(
  folder: string,
  { unprepared }: { unprepared: boolean },
): Promise<{ before: string; now: string }> {
  const [current, next] = [join(folder, CURRENT_FILE), join(folder, NEXT_FILE)];
  const before = (await loadSigningKey(current)).publicJwk.kid;
  if (unprepared) await createKeyFile(next, newKeyPem());
  const now = (await loadPrepared(next)).publicJwk.kid;
  try {
    await link(current, join(folder, formerFile(before))).catch((error: { code?: string }) => {
      if (error.code !== 'EEXIST') throw error;
    });
    await rename(next, current);
    await syncFolder(folder);
  } catch (cause) {
    throw new SigningKeyUnusable(current, 'cannot be written', cause);
  }
  return { before, now };
}

/**
 * Leaves of a key that does not sign any more its public half: seals still verify, its tokens and page tokens do not, and nobody can sign
 * with it. There is no way back.
 */
export async function retireKey(folder: string, keyId: string): Promise<RingEntry> {
  const entry = (await listRing(folder)).find((one) => one.keyId === keyId && one.role !== 'signs');
  const signing = await loadSigningKey(join(folder, CURRENT_FILE));
  if (signing.publicJwk.kid === keyId)
    throw new RotationRefused(`${keyId} signs: rotate first, and retire the key when its last token has expired.`);
  if (!entry) throw new RotationRefused(`${folder} holds no key ${keyId}; \`bicameral keys list\` lists them.`);
  if (entry.role === 'retired') return entry;
  const draft = join(folder, `.${randomUUID()}`);
  try {
    await writeDraft(draft, publicPem(await loadSigningKey(entry.file)));
    await rename(draft, entry.file);
    await syncFolder(folder);
  } catch (cause) {
    throw cause instanceof SigningKeyUnusable ? cause : new SigningKeyUnusable(entry.file, 'cannot be written', cause);
  } finally {
    await rm(draft, { force: true });
  }
  return { ...entry, role: 'retired' };
}

async function loadPrepared(file: string): Promise<SigningKey> {
  try {
    return await loadSigningKey(file);
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new RotationRefused(
      `${file} does not exist: run \`bicameral keys prepare\` and give all instances the new key first, so that each accepts what ` +
        'another signs with it. With a single instance, `bicameral keys rotate --unprepared` does both.',
    );
  }
}

function roleOf(folder: string, file: string, key: SigningKey | VerifyingKey): KeyRole {
  if (!isSigningKey(key)) return 'retired';
  if (file === join(folder, CURRENT_FILE)) return 'signs';
  return file === join(folder, NEXT_FILE) ? 'next' : 'verifies';
}

/** Renames are on the disk when the folder is. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
