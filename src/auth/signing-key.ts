import { createPrivateKey, createPublicKey, generateKeyPairSync, hkdfSync, type KeyObject, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { calculateJwkThumbprint } from 'jose';

/** The public half of the signing key, as published in the JWKS (RFC 7517, RFC 8037). */
export interface PublicJwk {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly x: string;
  /** RFC 7638 thumbprint: the same key has the same id on every instance. */
  readonly kid: string;
  readonly alg: 'Ed25519';
  readonly use: 'sig';
}

/** The Ed25519 key of this installation. Every instance has the same one. */
export interface SigningKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly publicJwk: PublicJwk;
  /** 32 bytes that only holders of the key can compute, another for each purpose (HKDF-SHA256, RFC 5869). */
  readonly deriveKey: (purpose: string) => Buffer;
}

/** The file named by AUTH_SIGNING_KEY_FILE cannot be used; the message says why and what is expected. */
export class SigningKeyUnusable extends Error {
  constructor(file: string, problem: string, cause?: unknown) {
    super(`AUTH_SIGNING_KEY_FILE: ${file} ${problem}`, { cause });
    this.name = 'SigningKeyUnusable';
  }
}

/** Reads an Ed25519 private key in PKCS#8 PEM, as `openssl genpkey -algorithm ed25519` writes it. Throws SigningKeyUnusable. */
export async function loadSigningKey(file: string): Promise<SigningKey> {
  return signingKey(file, await readPem(file));
}

/** The key in the file, made first (mode 0600) when there is none. Programs that start at once end up with the same key. */
export async function loadOrCreateSigningKey(file: string): Promise<SigningKey> {
  try {
    return await loadSigningKey(file);
  } catch (error) {
    if (!isSystemError(error instanceof SigningKeyUnusable ? error.cause : error, 'ENOENT')) throw error;
  }
  try {
    await createKeyFile(file);
  } catch (cause) {
    throw new SigningKeyUnusable(file, 'cannot be written', cause);
  }
  return await loadSigningKey(file);
}

/** A link appears whole or not at all, and only the first one succeeds. */
async function createKeyFile(file: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomUUID()}`;
  try {
    const handle = await open(draft, 'wx', 0o600);
    try {
      await handle.writeFile(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(draft, file);
  } catch (error) {
    if (!isSystemError(error, 'EEXIST')) throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new SigningKeyUnusable(file, isSystemError(cause, 'ENOENT') ? 'does not exist' : 'cannot be read', cause);
  }
}

async function signingKey(file: string, pem: string): Promise<SigningKey> {
  const privateKey = parsePem(file, pem);
  const { x, d } = privateKey.export({ format: 'jwk' });
  if (privateKey.asymmetricKeyType !== 'ed25519' || !x || !d) {
    throw new SigningKeyUnusable(file, `holds a key of type ${privateKey.asymmetricKeyType}, expected Ed25519`);
  }
  const key = { kty: 'OKP', crv: 'Ed25519', x } as const;
  const secret = Buffer.from(d, 'base64url');
  return {
    privateKey,
    publicKey: createPublicKey(privateKey),
    publicJwk: { ...key, kid: await calculateJwkThumbprint(key), alg: 'Ed25519', use: 'sig' },
    deriveKey: (purpose) => Buffer.from(hkdfSync('sha256', secret, 'bicameral', purpose, 32)),
  };
}

function parsePem(file: string, pem: string): KeyObject {
  try {
    return createPrivateKey({ key: pem, format: 'pem' });
  } catch {
    // The cause is left out: what a parser says about a private key does not belong in a log.
    throw new SigningKeyUnusable(file, 'holds no unencrypted private key in PKCS#8 PEM');
  }
}

const isSystemError = (error: unknown, code: string): boolean => (error as { code?: unknown } | undefined)?.code === code;
