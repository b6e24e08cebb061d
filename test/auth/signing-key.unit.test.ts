import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { calculateJwkThumbprint } from 'jose';
import { loadOrCreateSigningKey, loadSigningKey } from '../../src/auth/signing-key.ts';

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
    await expect(loadSigningKey(file)).rejects.toThrow(`AUTH_SIGNING_KEY_FILE: ${file} does not exist`);
  });

  it('refuses a key of another kind, and never replaces it', async () => {
    const file = join(folder, 'rsa.pem');
    const pem = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
    await writeFile(file, pem);

    await expect(loadOrCreateSigningKey(file)).rejects.toThrow(
      /AUTH_SIGNING_KEY_FILE.* holds a key of type rsa, expected Ed25519/,
    );
    expect(await readFile(file, 'utf8')).toBe(pem);
  });

  it.each(['', 'not a key', '-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n'])(
    'refuses a file that holds no key (%j) and does not quote it',
    async (content) => {
      const file = join(folder, 'garbage.pem');
      await writeFile(file, content);

      const error = await loadOrCreateSigningKey(file).catch((thrown: unknown) => thrown);

      expect(error).toMatchObject({ message: `AUTH_SIGNING_KEY_FILE: ${file} holds no unencrypted private key in PKCS#8 PEM` });
      expect(String((error as Error).cause)).not.toContain('secret');
    },
  );

  it('says that it cannot be read where its folder is a file', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(loadOrCreateSigningKey(join(folder, 'file', 'key.pem'))).rejects.toThrow(
      /AUTH_SIGNING_KEY_FILE.* cannot be read/,
    );
  });
});
