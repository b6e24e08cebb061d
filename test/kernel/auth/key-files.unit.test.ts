import { generateKeyPairSync } from 'node:crypto';
import { chmod, chown, link, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { calculateJwkThumbprint } from 'jose';
import { loadKeyRing, loadOrCreateSigningKey, loadSigningKey } from '../../../src/kernel/auth/key-files.ts';
import { listRing, prepareKey, retireKey, rotateKeys } from '../../../src/kernel/auth/key-rotation.ts';

describe('signing key', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signing-key-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('is made once, readable by its owner only, and found again', async () => {
    const file = join(folder, 'new', 'signing-key.pem');

    const made = await loadOrCreateSigningKey(file);
    const found = await loadOrCreateSigningKey(file);

    expect(found.publicJwk).toEqual(made.publicJwk);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, 'utf8')).toMatch(/^-----BEGIN PRIVATE KEY-----/);
  });

  it('is the same one for programs that start at once', async () => {
    const file = join(folder, 'race', 'signing-key.pem');

    const keys = await Promise.all(Array.from({ length: 20 }, () => loadOrCreateSigningKey(file)));

    expect(new Set(keys.map((key) => key.publicJwk.x)).size).toBe(1);
    expect(await readdir(join(folder, 'race'))).toEqual(['signing-key.pem']);
  });

  it('publishes a JWK named by its thumbprint and without the private part', async () => {
    const { publicJwk } = await loadOrCreateSigningKey(join(folder, 'jwk.pem'));

    expect(publicJwk).toEqual({
      kty: 'OKP',
      crv: 'Ed25519',
      x: expect.any(String),
      kid: await calculateJwkThumbprint({ kty: 'OKP', crv: 'Ed25519', x: publicJwk.x }),
      alg: 'Ed25519',
      use: 'sig',
    });
  });

  it('derives a secret of 32 bytes for each purpose, the same after a restart', async () => {
    const file = join(folder, 'derive.pem');
    const key = await loadOrCreateSigningKey(file);
    const reloaded = await loadSigningKey(file);

    expect(key.deriveKey('page tokens')).toHaveLength(32);
    expect(reloaded.deriveKey('page tokens')).toEqual(key.deriveKey('page tokens'));
    expect(key.deriveKey('consistency tokens')).not.toEqual(key.deriveKey('page tokens'));
    expect(key.deriveKey('page tokens').toString('base64url')).not.toBe(key.privateKey.export({ format: 'jwk' }).d);
  });

  it('names the variable and the file when there is no file', async () => {
    const file = join(folder, 'missing.pem');
    await expect(loadSigningKey(file)).rejects.toThrow(
      `The signing key ${file} (AUTH_SIGNING_KEYS, AUTH_SIGNING_KEY_FILE) does not exist: put it back`,
    );
  });

  it('refuses a key of another kind, and never replaces it', async () => {
    const file = join(folder, 'rsa.pem');
    const pem = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
    await writeFile(file, pem, { mode: 0o600 });

    await expect(loadOrCreateSigningKey(file)).rejects.toThrow(
      /AUTH_SIGNING_KEY_FILE.* holds a key of type rsa, expected Ed25519/,
    );
    expect(await readFile(file, 'utf8')).toBe(pem);
  });

  it.each(['', 'not a key', '-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n'])(
    'refuses a file that holds no key (%j) and does not quote it',
    async (content) => {
      const file = join(folder, 'garbage.pem');
      await writeFile(file, content, { mode: 0o600 });

      const error = await loadOrCreateSigningKey(file).catch((thrown: unknown) => thrown);

      expect(error).toMatchObject({
        message: expect.stringContaining(`${file} (AUTH_SIGNING_KEYS, AUTH_SIGNING_KEY_FILE) holds no unencrypted private key`),
      });
      expect(String(error) + String((error as Error).cause)).not.toContain('secret');
    },
  );

  it('says that it cannot be read where its folder is a file', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(loadSigningKey(join(folder, 'file', 'key.pem'))).rejects.toThrow(/AUTH_SIGNING_KEY_FILE.* cannot be read/);
    await expect(loadOrCreateSigningKey(join(folder, 'file', 'key.pem'))).rejects.toThrow(/cannot be read/);
  });

  // The rule of PostgreSQL for its own key (manual, 18.9.1). Only root can give a file away.
  const isRoot = process.getuid?.() === 0;
  it.each([
    [0o600, 'own', 'taken'],
    [0o400, 'own', 'taken'],
    [0o604, 'own', 'refused'],
    [0o602, 'own', 'refused'],
    [0o644, 'own', 'refused'],
    [0o620, 'own', 'refused'],
    [0o440, 'root', 'taken'],
    [0o640, 'root', 'taken'],
    [0o644, 'root', 'refused'],
    [0o660, 'root', 'refused'],
    [0o640, 'other', 'refused'],
    [0o440, 'other', 'refused'],
  ])('a private key of mode %o that is %s is %s', async (mode, owner, verdict) => {
    if (!isRoot && owner !== 'own') return;
    const file = join(folder, `mode-${mode.toString(8)}-${owner}.pem`);
    await loadOrCreateSigningKey(file);
    if (isRoot) await chown(file, owner === 'other' ? 1234 : 0, 0);
    await chmod(file, mode);

    const loading = loadSigningKey(file);
    if (verdict === 'taken') await loading;
    else {
      const octal = mode.toString(8).padStart(4, '0');
      await expect(loading).rejects.toThrow(
        `${file} (AUTH_SIGNING_KEYS, AUTH_SIGNING_KEY_FILE) can be read or changed by others`,
      );
      await expect(loading).rejects.toThrow(`(mode ${octal}): run \`chmod 600\` on it`);
    }
  });
});

describe('a ring of keys', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'key-ring-'));
    await loadOrCreateSigningKey(join(folder, 'signing-key.pem'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const ring = () => loadKeyRing({ kind: 'folder', folder, create: false });
  const idOf = async (name: string) => (await loadSigningKey(join(folder, name))).publicJwk.kid;

  it('has the key that signs first, and all others verify', async () => {
    const first = await idOf('signing-key.pem');
    const next = await prepareKey(folder);
    expect((await ring()).current.publicJwk.kid).toBe(first);
    expect((await ring()).active.map(({ publicJwk }) => publicJwk.kid)).toEqual([first, next]);

    expect(await rotateKeys(folder, { unprepared: false })).toEqual({ before: first, now: next });
    expect((await ring()).current.publicJwk.kid).toBe(next);
    expect((await ring()).active.map(({ publicJwk }) => publicJwk.kid)).toEqual([next, first]);
    expect((await readdir(folder)).sort()).toEqual([`signing-key-${first}.pem`, 'signing-key.pem'].sort());
    for (const name of await readdir(folder)) expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
  });

  it('refuses to rotate to a key that nobody has yet, unless it is told that nobody needs to', async () => {
    const first = await idOf('signing-key.pem');
    await expect(rotateKeys(folder, { unprepared: false })).rejects.toThrow('run `bicameral keys prepare`');
    expect(await readdir(folder)).toEqual(['signing-key.pem']);
    expect(await rotateKeys(folder, { unprepared: true })).toMatchObject({ before: first });
    expect((await ring()).active).toHaveLength(2);
  });

  it('keeps one prepared key', async () => {
    await prepareKey(folder);
    await expect(prepareKey(folder)).rejects.toThrow('exists already');
  });

  it('finishes a rotation that was cut off in the middle', async () => {
    const first = await idOf('signing-key.pem');
    const next = await prepareKey(folder);
    await link(join(folder, 'signing-key.pem'), join(folder, `signing-key-${first}.pem`));
    expect((await ring()).active.map(({ publicJwk }) => publicJwk.kid)).toEqual([first, next]);
    expect(await rotateKeys(folder, { unprepared: false })).toEqual({ before: first, now: next });
    expect((await ring()).active.map(({ publicJwk }) => publicJwk.kid)).toEqual([next, first]);
  });

  it('keeps of a retired key the public half, which may be read by all and takes no part in tokens', async () => {
    const first = await idOf('signing-key.pem');
    await rotateKeys(folder, { unprepared: true });
    const { file } = await retireKey(folder, first);
    const pem = await readFile(file, 'utf8');
    expect(pem).toMatch(/^-----BEGIN PUBLIC KEY-----\n[^-]+-----END PUBLIC KEY-----\n$/);
    await chmod(file, 0o644);

    const { current, active, all } = await ring();
    expect(active).toEqual([current]);
    expect([...all.keys()].sort()).toEqual([first, current.publicJwk.kid].sort());
    expect(await listRing(folder)).toEqual([
      { file: join(folder, 'signing-key.pem'), keyId: current.publicJwk.kid, role: 'signs' },
      { file, keyId: first, role: 'retired' },
    ]);
    await retireKey(folder, first);
    expect(await readFile(file, 'utf8')).toBe(pem);
  });

  it('does not retire the key that signs, nor one that it has not', async () => {
    await expect(retireKey(folder, await idOf('signing-key.pem'))).rejects.toThrow('rotate first');
    await expect(retireKey(folder, 'nobody')).rejects.toThrow('holds no key nobody');
  });

  it('needs a private key to sign, and looks at no other file', async () => {
    await writeFile(join(folder, 'tls.pem'), 'anything');
    await writeFile(join(folder, 'signing-key.pem.bak'), 'anything');
    expect((await ring()).all.size).toBe(1);
    const { publicKey } = generateKeyPairSync('ed25519');
    await writeFile(join(folder, 'signing-key.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
    await expect(ring()).rejects.toThrow('holds a public key, but must hold the private key');
  });

  it('refuses a key of the ring that others can read, and names it', async () => {
    const next = await prepareKey(folder);
    await chmod(join(folder, 'signing-key-next.pem'), 0o644);
    await expect(ring()).rejects.toThrow('signing-key-next.pem (AUTH_SIGNING_KEYS');
    expect(next).toMatch(/^[\w-]{43}$/);
  });
});
