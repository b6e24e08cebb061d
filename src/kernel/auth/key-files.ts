import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createKeyRing, type KeyRing } from './key-ring.ts';
import { openFileProblem } from './private-file.ts';
import { isPublicPem, isSigningKey, NoKey, newKeyPem, parseKey, type SigningKey, type VerifyingKey } from './signing-key.ts';

/** Where the keys are. */
export type KeySource =
  /** AUTH_SIGNING_KEYS, or DATA_DIR: a folder with a ring. With `create`, the first key is made where nothing is known of another. */
  | { readonly kind: 'folder'; readonly folder: string; readonly create: boolean }
  /** AUTH_SIGNING_KEY_FILE: one key. */
  | { readonly kind: 'file'; readonly file: string }
  /** Read already, by the parent process. */
  | { readonly kind: 'read'; readonly files: readonly KeyFile[] };

/** A file of a ring with what it holds. */
export interface KeyFile {
  readonly file: string;
  readonly pem: string;
}

/** In a ring, the key that signs. */
export const CURRENT_FILE = 'signing-key.pem';
/** The one that signs after the next rotation. */
export const NEXT_FILE = 'signing-key-next.pem';
/** All files of a ring; what else is in the folder is not looked at. */
const RING_FILES = /^signing-key(-[\w-]+)?\.pem$/;

/** The file of a key that does not sign any more. */
export const formerFile = (keyId: string): string => `signing-key-${keyId}.pem`;

/** A file with a key cannot be used; the message names it and says why and what is expected. `cause` has the code of the system. */
export class SigningKeyUnusable extends Error {
  constructor(file: string, problem: string, cause?: unknown) {
    super(`The signing key ${file} (AUTH_SIGNING_KEYS, AUTH_SIGNING_KEY_FILE) ${problem}.`, { cause });
    this.name = 'SigningKeyUnusable';
  }
}

/** The ring. Throws SigningKeyUnusable. */
export async function loadKeyRing(source: KeySource): Promise<KeyRing> {
  return await parseRing(await readKeyFiles(source));
}

/** What is in the files, that of the key that signs first. Throws SigningKeyUnusable. */
export async function parseRing(files: readonly KeyFile[]): Promise<KeyRing> {
  const [first, ...others] = await parseFiles(files);
  if (!first) throw new Error('a ring has at least the file of the key that signs');
  if (!isSigningKey(first.key)) throw new SigningKeyUnusable(first.file, 'holds a public key, but must hold the private key');
  return createKeyRing(
    first.key,
    others.map(({ key }) => key),
  );
}

/** The key of each file. Throws SigningKeyUnusable. */
export async function parseFiles(files: readonly KeyFile[]): Promise<{ file: string; key: SigningKey | VerifyingKey }[]> {
  return await Promise.all(files.map(async ({ file, pem }) => ({ file, key: await parsed(file, pem) })));
}

/** The files of a ring, that of the key that signs first. Throws SigningKeyUnusable. */
export async function readKeyFiles(source: KeySource): Promise<readonly KeyFile[]> {
  if (source.kind === 'read') return source.files;
  if (source.kind === 'file') return [await readKeyFile(source.file)];
  const current = await readKeyFile(join(source.folder, CURRENT_FILE));
  return [current, ...(await readOtherFiles(source.folder))];
}

/** Those of the keys that do not sign; none when there is no such folder. Throws SigningKeyUnusable. */
export async function readOtherFiles(folder: string): Promise<readonly KeyFile[]> {
  const names = await readdir(folder).catch((cause: unknown) => {
    if (hasCode(cause, 'ENOENT')) return [];
    throw new SigningKeyUnusable(folder, 'cannot be read', cause);
  });
  const others = names.filter((name) => RING_FILES.test(name) && name !== CURRENT_FILE).sort();
  return await Promise.all(others.map((name) => readKeyFile(join(folder, name))));
}

/** One private key. Throws SigningKeyUnusable. */
export async function loadSigningKey(file: string): Promise<SigningKey> {
  return await loadKeyRing({ kind: 'file', file }).then(({ current }) => current);
}

/** The key in the file, made first (mode 0600) when there is none. Programs that start at once end up with the same key. */
export async function loadOrCreateSigningKey(file: string): Promise<SigningKey> {
  try {
    return await loadSigningKey(file);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  await createKeyFile(file, newKeyPem());
  return await loadSigningKey(file);
}

/** Whether the error says that there is no such file. */
export const isMissing = (error: unknown): boolean => error instanceof SigningKeyUnusable && hasCode(error.cause, 'ENOENT');

/**
 * Writes a file of mode 0600 unless there is one of that name, and answers whether it did. A link appears whole or not at all, and
 * only the first one succeeds. Throws SigningKeyUnusable.
 */
export async function createKeyFile(file: string, pem: string): Promise<boolean> {
  const draft = `${file}.${randomUUID()}`;
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeDraft(draft, pem);
    await link(draft, file);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw new SigningKeyUnusable(file, 'cannot be written', error);
  } finally {
    await rm(draft, { force: true });
  }
}

/** Writes a file of mode 0600 that is to get another name, to the disk. */
export async function writeDraft(draft: string, pem: string): Promise<void> {
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(pem);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readKeyFile(file: string): Promise<KeyFile> {
  try {
    const [pem, stats] = await Promise.all([readFile(file, 'utf8'), stat(file)]);
    const problem = isPublicPem(pem) ? undefined : openFileProblem(stats);
    if (problem !== undefined) throw new SigningKeyUnusable(file, problem);
    return { file, pem };
  } catch (error) {
    throw error instanceof SigningKeyUnusable ? error : new SigningKeyUnusable(file, whyUnread(error), error);
  }
}

async function parsed(file: string, pem: string): Promise<SigningKey | VerifyingKey> {
  try {
    return await parseKey(pem);
  } catch (error) {
    throw error instanceof NoKey ? new SigningKeyUnusable(file, error.message) : error;
  }
}

const whyUnread = (error: unknown): string =>
  hasCode(error, 'ENOENT')
    ? 'does not exist: put it back, or make the first one with `openssl genpkey -algorithm ed25519`'
    : 'cannot be read';

const hasCode = (error: unknown, code: string): boolean => (error as { code?: unknown } | undefined)?.code === code;
