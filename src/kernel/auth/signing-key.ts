import { createPrivateKey, createPublicKey, generateKeyPairSync, hkdfSync, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';

/** The public half of a signing key, as published in the JWKS (RFC 7517, RFC 8037). */
export interface PublicJwk {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly x: string;
  /** RFC 7638 thumbprint: the same key has the same id on every instance. */
  readonly kid: string;
  readonly alg: 'Ed25519';
  readonly use: 'sig';
}

/** The half of a key that signatures are checked with. */
export interface VerifyingKey {
  readonly publicKey: KeyObject;
  readonly publicJwk: PublicJwk;
}

/** An Ed25519 key of this installation. Every instance has the same ones. */
export interface SigningKey extends VerifyingKey {
  readonly privateKey: KeyObject;
  /** 32 bytes that only holders of the key can compute, another for each purpose (HKDF-SHA256, RFC 5869). */
  readonly deriveKey: (purpose: string) => Buffer;
}

/** The bytes are no key that can be used; the message goes on after the name of the file, and quotes nothing of the key. */
export class NoKey extends Error {
  constructor(problem: string) {
    super(problem);
    this.name = 'NoKey';
  }
}

/** Reads a key in PEM: a private one (PKCS#8), or a public half alone (SubjectPublicKeyInfo). Throws NoKey. */
export async function parseKey(pem: string): Promise<SigningKey | VerifyingKey> {
  return isPublicPem(pem) ? await verifyingKey(parsePublic(pem)) : await signingKey(parsePrivate(pem));
}

/** Whether the text holds public keys only, which need no protection. */
export function isPublicPem(pem: string): boolean {
  return pem.includes('-----BEGIN PUBLIC KEY-----') && !pem.includes('PRIVATE KEY');
}

/** The public half in PEM (SubjectPublicKeyInfo). */
export function publicPem({ publicKey }: VerifyingKey): string {
  return String(publicKey.export({ type: 'spki', format: 'pem' }));
}

/** A new private key, in PKCS#8 PEM. */
export function newKeyPem(): string {
  return String(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }));
}

export function isSigningKey(key: SigningKey | VerifyingKey): key is SigningKey {
  return 'privateKey' in key;
}

async function signingKey(privateKey: KeyObject): Promise<SigningKey> {
  const secret = Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url');
  return {
    ...(await verifyingKey(createPublicKey(privateKey))),
    privateKey,
    deriveKey: (purpose) => Buffer.from(hkdfSync('sha256', secret, 'bicameral', purpose, 32)),
  };
}

async function verifyingKey(publicKey: KeyObject): Promise<VerifyingKey> {
  const key = { kty: 'OKP', crv: 'Ed25519', x: publicKey.export({ format: 'jwk' }).x ?? '' } as const;
  return { publicKey, publicJwk: { ...key, kid: await calculateJwkThumbprint(key), alg: 'Ed25519', use: 'sig' } };
}

// The causes are left out: what a parser says about a private key does not belong in a log.
function parsePrivate(pem: string): KeyObject {
  try {
    return ed25519(createPrivateKey({ key: pem, format: 'pem' }));
  } catch (error) {
    throw error instanceof NoKey ? error : new NoKey('holds no unencrypted private key in PKCS#8 PEM');
  }
}

function parsePublic(pem: string): KeyObject {
  try {
    return ed25519(createPublicKey({ key: pem, format: 'pem' }));
  } catch (error) {
    throw error instanceof NoKey ? error : new NoKey('holds no public key in PEM');
  }
}

function ed25519(key: KeyObject): KeyObject {
  if (key.asymmetricKeyType !== 'ed25519') throw new NoKey(`holds a key of type ${key.asymmetricKeyType}, expected Ed25519`);
  return key;
}
