import { createHmac, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import { ACCESS_TOKEN_TYPE, OWN_ISSUER, TOKEN_LIFETIME_MS } from '../../src/kernel/auth/access-token.ts';
import type { TokenProblem } from '../../src/kernel/auth/errors.ts';
import type { SigningKey } from '../../src/kernel/auth/signing-key.ts';

/** What a forger knows, and the real key for the tokens that are wrong in spite of it. */
export interface Forge {
  readonly key: SigningKey;
  /** A user who exists. */
  readonly subject: string;
  /** Where the forger serves a JWKS of their own. */
  readonly jwksUrl: string;
}

export interface ForgedToken {
  readonly make: (forge: Forge) => string;
  readonly cause: TokenProblem;
}

const theirs = generateKeyPairSync('ed25519');

/** The forger's key as a JWK. */
export const THEIR_JWK = { ...theirs.publicKey.export({ format: 'jwk' }), alg: 'Ed25519', use: 'sig', kid: 'theirs' };

const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

function claims({ subject }: Forge): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000);
  const times = { iat: now, exp: now + TOKEN_LIFETIME_MS / 1000 };
  return { ...times, iss: OWN_ISSUER, aud: OWN_ISSUER, sub: subject, jti: randomUUID(), epoch: 1, roles: ['admin'] };
}

const header = ({ key }: Forge): Record<string, unknown> => ({ alg: 'Ed25519', typ: ACCESS_TOKEN_TYPE, kid: key.publicJwk.kid });

function signed(head: unknown, body: unknown, key: KeyObject): string {
  const text = `${part(head)}.${part(body)}`;
  return `${text}.${sign(null, Buffer.from(text), key).toString('base64url')}`;
}

function hmac(forge: Forge, secret: Buffer | string): string {
  const text = `${part({ ...header(forge), alg: 'HS256' })}.${part(claims(forge))}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

/** A token of the real key, with other claims or another header than this service gives it. */
const altered =
  (changes: { head?: Record<string, unknown>; body?: Record<string, unknown> }) =>
  (forge: Forge): string =>
    signed({ ...header(forge), ...changes.head }, { ...claims(forge), ...changes.body }, forge.key.privateKey);

const ofTheirs =
  (head: (forge: Forge) => Record<string, unknown>) =>
  (forge: Forge): string =>
    signed({ ...header(forge), ...head(forge) }, claims(forge), theirs.privateKey);

const minutesAgo = (minutes: number): number => Math.floor(Date.now() / 1000) - minutes * 60;

/** A token that this service would make, but for some claims. */
export const genuine = (forge: Forge, body: Record<string, unknown> = {}): string => altered({ body })(forge);

/** A token that the issuer makes whose JWKS holds the forger's key. */
export const foreign = (forge: Forge, body: Record<string, unknown>, { typ = ACCESS_TOKEN_TYPE } = {}): string =>
  signed({ alg: 'Ed25519', typ, kid: THEIR_JWK.kid }, { ...claims(forge), ...body }, theirs.privateKey);

/** Tokens that look like ours and are not to be believed, and why the caller is told they are not. */
export const FORGED_TOKENS: Readonly<Record<string, ForgedToken>> = {
  'an expired token': { make: altered({ body: { iat: minutesAgo(16), exp: minutesAgo(1) } }), cause: 'EXPIRED' },
  'a token that is not valid yet': { make: altered({ body: { nbf: minutesAgo(-60) } }), cause: 'UNTRUSTED' },
  'a token signed by another key': { make: ofTheirs(() => ({})), cause: 'UNTRUSTED' },
  'a token that brings its key along': { make: ofTheirs(() => ({ jwk: THEIR_JWK, kid: 'theirs' })), cause: 'UNTRUSTED' },
  'a token that says where its key is (jku)': {
    make: ofTheirs(({ jwksUrl }) => ({ jku: jwksUrl, kid: 'theirs' })),
    cause: 'UNTRUSTED',
  },
  'a token that says where its certificate is (x5u)': { make: ofTheirs(({ jwksUrl }) => ({ x5u: jwksUrl })), cause: 'UNTRUSTED' },
  'a token whose kid is a path': { make: ofTheirs(() => ({ kid: '../../../../dev/null' })), cause: 'UNTRUSTED' },
  'a token without a signature (alg none)': {
    make: (forge) => `${part({ alg: 'none', typ: ACCESS_TOKEN_TYPE })}.${part(claims(forge))}.`,
    cause: 'UNTRUSTED',
  },
  'a token with an empty signature': { make: (forge) => `${part(header(forge))}.${part(claims(forge))}.`, cause: 'UNTRUSTED' },
  'an HS256 token keyed with the public key in PEM': {
    make: (forge) => hmac(forge, forge.key.publicKey.export({ type: 'spki', format: 'pem' })),
    cause: 'UNTRUSTED',
  },
  'an HS256 token keyed with the bytes of the public key': {
    make: (forge) => hmac(forge, Buffer.from(forge.key.publicJwk.x, 'base64url')),
    cause: 'UNTRUSTED',
  },
  'a token with other claims than were signed': {
    make: (forge) => genuine(forge).replace(/\.[^.]+\./, `.${part({ ...claims(forge), roles: ['admin', 'auditor'] })}.`),
    cause: 'UNTRUSTED',
  },
  'a token of another issuer': { make: altered({ body: { iss: 'https://login.example.org' } }), cause: 'UNTRUSTED' },
  'a token without an issuer': { make: altered({ body: { iss: undefined } }), cause: 'UNTRUSTED' },
  'a token for another audience': { make: altered({ body: { aud: 'https://api.example.org' } }), cause: 'UNTRUSTED' },
  'a token of another type': { make: altered({ head: { typ: 'JWT' } }), cause: 'UNTRUSTED' },
  'a token with a critical extension': {
    make: altered({ head: { crit: ['http://127.0.0.1/policy'], 'http://127.0.0.1/policy': 1 } }),
    cause: 'UNTRUSTED',
  },
  'a token that says not when it was made': { make: altered({ body: { iat: undefined } }), cause: 'UNTRUSTED' },
  'a token that was made tomorrow': {
    make: altered({ body: { iat: minutesAgo(-24 * 60), exp: minutesAgo(-25 * 60) } }),
    cause: 'UNTRUSTED',
  },
  'a token for a hundred years': { make: altered({ body: { exp: minutesAgo(-100 * 365 * 24 * 60) } }), cause: 'UNTRUSTED' },
  'a token that never expires': { make: altered({ body: { exp: undefined } }), cause: 'UNTRUSTED' },
  'a token without a subject': { make: altered({ body: { sub: undefined } }), cause: 'UNTRUSTED' },
  'a token whose subject is empty': { make: altered({ body: { sub: '' } }), cause: 'UNTRUSTED' },
  'a token whose subject is an object': { make: altered({ body: { sub: { toString: 'admin' } } }), cause: 'UNTRUSTED' },
  'a token whose session is a number': { make: altered({ body: { jti: 7 } }), cause: 'UNTRUSTED' },
  'a token whose epoch is text': { make: altered({ body: { epoch: '1' } }), cause: 'UNTRUSTED' },
  'a token whose claims are no object': {
    make: ({ key }) => signed({ alg: 'Ed25519' }, '[]', key.privateKey),
    cause: 'MALFORMED',
  },
  'a token whose claims are no JSON': {
    make: ({ key }) => signed({ alg: 'Ed25519' }, 'nonsense', key.privateKey),
    cause: 'MALFORMED',
  },
  'an encrypted token (five parts)': { make: () => 'a.b.c.d.e', cause: 'MALFORMED' },
  'three words with dots': { make: () => 'not.a.token', cause: 'MALFORMED' },
  'a word': { make: () => 'letmein', cause: 'MALFORMED' },
  'ten thousand letters': { make: () => 'a'.repeat(10_000), cause: 'MALFORMED' },
};
