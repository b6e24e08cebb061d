import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Code } from '@connectrpc/connect';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { createAccessTokenIssuer } from '../../../src/kernel/auth/access-token.ts';
import { IssuerUnavailable, TokenInvalid } from '../../../src/kernel/auth/errors.ts';
import { loadOrCreateSigningKey } from '../../../src/kernel/auth/key-files.ts';
import type { SigningKey } from '../../../src/kernel/auth/signing-key.ts';
import { createTokenVerifier, type TokenVerifier } from '../../../src/kernel/auth/token-verifier.ts';
import { testRoles } from '../../support/roles.ts';

const start = Date.UTC(2026, 0, 2, 3, 4, 5);
const seconds = start / 1000;

/** Which tokens of a foreign issuer count. */
const ACCEPTED = { tokenType: 'at+jwt', maxAgeMs: 3_600_000 };

let folder: string;
let key: SigningKey;
let now = start;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-verifier-'));
  key = await loadOrCreateSigningKey(join(folder, 'key.pem'));
});
afterAll(() => rm(folder, { recursive: true }));
beforeEach(() => {
  now = start;
});

async function refusalOf(verifier: TokenVerifier, token: string): Promise<unknown> {
  try {
    return await verifier.verify(token);
  } catch (error) {
    return error;
  }
}

async function problemOf(verifier: TokenVerifier, token: string): Promise<string | undefined> {
  const error = await refusalOf(verifier, token);
  expect(error).toBeInstanceOf(TokenInvalid);
  return (error as TokenInvalid).metadata.cause;
}

describe('verification of own tokens', () => {
  const claims = {
    iss: 'bicameral',
    aud: 'bicameral',
    sub: 'user-1',
    jti: 'session-1',
    iat: seconds,
    exp: seconds + 900,
    epoch: 3,
    roles: ['auditor'],
  };
  const ownHeader = { alg: 'Ed25519', typ: 'at+jwt' };
  let verifier: TokenVerifier;
  beforeEach(() => {
    verifier = createTokenVerifier({ keys: [key], roles: testRoles, now: () => now });
  });

  function signed(payload: object, header: Record<string, unknown> = {}, privateKey: KeyObject = key.privateKey) {
    return new SignJWT(payload as JWTPayload).setProtectedHeader({ ...ownHeader, ...header }).sign(privateKey);
  }

  it('answers who the token is for', async () => {
    const issuer = createAccessTokenIssuer(key);
    const claims = { subject: 'user-1', roles: ['auditor'], sessionEpoch: 3, now: new Date(start), id: 'session-1' };
    const { token, expiresAt } = await issuer.issue(claims);

    expect(await verifier.verify(token)).toEqual({
      principal: {
        id: 'user-1',
        roles: ['auditor'],
        permissions: new Set(['users.read', 'audit.read', 'events.read']),
        session: 'session-1',
        issuer: 'bicameral',
      },
      expiresAt: expiresAt.getTime(),
      issuer: 'own',
      epoch: 3,
    });
  });

  it('reads the session and the time of the password from the token; without a session, the token is one by itself', async () => {
    const session = await verifier.verify(await signed({ ...claims, sid: 'session-9', auth_time: seconds - 60 }));
    expect(session.principal).toMatchObject({ session: 'session-9', authenticatedAt: new Date(start - 60_000) });
    const { principal } = await verifier.verify(await signed(claims));
    expect(principal.session).toBe('session-1');
    expect(principal).not.toHaveProperty('authenticatedAt');
  });

  it('accepts a token that was made a little later by the clock of another instance', async () => {
    expect(await verifier.verify(await signed({ ...claims, iat: seconds + 30 }))).toMatchObject({ issuer: 'own' });
  });

  it('accepts the algorithm by its old name too', async () => {
    expect(await verifier.verify(await signed(claims, { alg: 'EdDSA' }))).toMatchObject({ issuer: 'own' });
  });

  it('answers at once when it knows the token, until that expires', async () => {
    const token = await signed(claims);
    const first = await verifier.verify(token);

    now = start + 599_000;
    expect(verifier.verify(token)).toBe(first);

    now = start + 899_000;
    const again = verifier.verify(token);
    expect(again).toBeInstanceOf(Promise);
    expect(await again).toEqual(first);
    expect(verifier.verify(token)).toBe(await again);

    now = start + 900_000;
    expect(await problemOf(verifier, token)).toBe('EXPIRED');
  });

  it('remembers a bounded number of tokens', async () => {
    verifier = createTokenVerifier({ keys: [key], roles: testRoles, now: () => now, maxCached: 2 });
    const tokens = await Promise.all(['a', 'b', 'c'].map((jti) => signed({ ...claims, jti })));
    for (const token of tokens) await verifier.verify(token);

    expect(tokens.map((token) => verifier.verify(token) instanceof Promise)).toEqual([true, false, false]);
  });

  it.each([
    ['another audience', { aud: 'elsewhere' }],
    ['another issuer', { iss: 'elsewhere' }],
    ['no issuer', { iss: undefined }],
    ['no audience', { aud: undefined }],
    ['no expiry', { exp: undefined }],
    ['no subject', { sub: undefined }],
    ['an empty subject', { sub: '' }],
    ['no session', { jti: undefined }],
    ['no epoch', { epoch: undefined }],
    ['an epoch that is no integer', { epoch: '3' }],
    ['a time before which it is not valid', { nbf: seconds + 60 }],
    ['no time of issue', { iat: undefined }],
    ['a time of issue to come', { iat: seconds + 120 }],
    ['a life of more than a day', { exp: seconds + 24 * 3600 + 1 }],
    ['a life of a hundred years', { exp: seconds + 100 * 365 * 24 * 3600 }],
    ['a session that is no text', { sid: 7 }],
  ])('refuses a token with %s', async (_, change) => {
    expect(await problemOf(verifier, await signed({ ...claims, ...change }))).toBe('UNTRUSTED');
  });

  it('refuses a token of another key, even one that the token brings along or points at', async () => {
    const other = generateKeyPairSync('ed25519');
    const jwk = await exportJWK(other.publicKey);

    for (const header of [
      {},
      { jwk },
      { kid: key.publicJwk.kid },
      { jku: 'http://127.0.0.1:1/jwks' },
      { x5u: 'http://127.0.0.1:1/' },
    ]) {
      expect(await problemOf(verifier, await signed(claims, header, other.privateKey))).toBe('UNTRUSTED');
    }
  });

  it('refuses a JWT of another type', async () => {
    expect(await problemOf(verifier, await signed(claims, { typ: 'JWT' }))).toBe('UNTRUSTED');
    expect(await problemOf(verifier, await signed(claims, { typ: undefined }))).toBe('UNTRUSTED');
  });

  it('refuses other algorithms: none, and HMAC keyed with the public key', async () => {
    const unsecured = new UnsecuredJWT(claims).encode();
    expect(['MALFORMED', 'UNTRUSTED']).toContain(await problemOf(verifier, unsecured));

    const publicBytes = Buffer.from(key.publicJwk.x.padEnd(64, 'A'));
    const hmac = await new SignJWT(claims).setProtectedHeader({ ...ownHeader, alg: 'HS256' }).sign(publicBytes);
    expect(await problemOf(verifier, hmac)).toBe('UNTRUSTED');
  });

  it('refuses a token that was changed', async () => {
    const [header, , signature] = (await signed(claims)).split('.');
    const payload = Buffer.from(JSON.stringify({ ...claims, roles: ['admin'] })).toString('base64url');
    expect(await problemOf(verifier, `${header}.${payload}.${signature}`)).toBe('UNTRUSTED');
  });

  it.each(['', 'garbage', 'a.b.c', '..', 'a.b.c.d.e', `${'x'.repeat(3000)}.${'y'.repeat(3000)}.z`, 'ÿ.ÿ.ÿ', 'e30.e30.'])(
    'refuses what is no token: %.20s',
    async (text) => {
      expect(await problemOf(verifier, text)).toMatch(/^(MALFORMED|UNTRUSTED)$/);
    },
  );

  it('refuses a token over 8 KiB unread, be it signed', async () => {
    expect(await problemOf(verifier, await signed({ ...claims, padding: 'x'.repeat(8192) }))).toBe('MALFORMED');
  });

  it('keeps the token and what it says out of its errors', async () => {
    const token = await signed({ ...claims, exp: seconds - 1, email: 'ada@example.com' });
    const shown = inspect(await refusalOf(verifier, token), { depth: 10, showHidden: true });
    expect(shown).not.toContain(token.split('.')[1]);
    expect(shown).not.toContain('ada@example.com');
  });

  it('cannot be set up with a foreign issuer of its own name', () => {
    const foreign = { issuer: 'bicameral', audience: 'x', jwksUrl: new URL('https://issuer.example/jwks'), ...ACCEPTED };
    expect(() => createTokenVerifier({ keys: [key], roles: testRoles, foreign, now: () => now })).toThrow(
      'AUTH_ISSUER cannot be bicameral',
    );
  });
});

describe('verification of foreign tokens', () => {
  const claims = { iss: 'https://issuer.example', aud: ['other', 'our-api'], sub: 'ada', iat: seconds, exp: seconds + 60 };
  let privateKey: CryptoKey;
  let jwks: unknown;
  let requests: number;
  let server: Server | undefined;
  let verifier: TokenVerifier;

  beforeEach(async () => {
    const pair = await generateKeyPair('ES256', { extractable: true });
    privateKey = pair.privateKey;
    jwks = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }] };
    requests = 0;
    server = createServer((_, response) => {
      requests++;
      if (jwks === undefined) response.writeHead(503);
      response.end(JSON.stringify(jwks));
    });
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const foreign = { issuer: claims.iss, audience: 'our-api', jwksUrl: new URL(`http://127.0.0.1:${port}/jwks`), ...ACCEPTED };
    verifier = createTokenVerifier({ keys: [key], roles: testRoles, foreign, now: () => now });
  });
  afterEach(stop);

  async function stop(): Promise<void> {
    const stopping = server;
    server = undefined;
    if (!stopping) return;
    stopping.closeAllConnections();
    await new Promise((resolve) => stopping.close(resolve));
  }

  const signed = (payload: object, { kid = 'one', typ = 'at+jwt' }: { kid?: string; typ?: string | undefined } = {}) =>
    new SignJWT(payload as JWTPayload).setProtectedHeader({ alg: 'ES256', kid, ...(typ && { typ }) }).sign(privateKey);

  it('answers who the token is for, with what its known roles permit', async () => {
    const token = await signed({ ...claims, roles: ['operator', 'janitor', 7] });

    const verified = await verifier.verify(token);

    expect(verified).toMatchObject({
      issuer: 'foreign',
      epoch: undefined,
      principal: { id: 'ada', session: '', issuer: claims.iss },
    });
    expect(verified.principal.permissions).toEqual(new Set(['operations.read', 'operations.write']));
    expect(verifier.verify(token)).toBe(verified);
  });

  it('fetches the keys once for many tokens', async () => {
    await Promise.all(['a', 'b', 'c'].map(async (jti) => verifier.verify(await signed({ ...claims, jti }))));
    expect(requests).toBe(1);
  });

  it('allows for a clock that is a few seconds ahead', async () => {
    expect(await verifier.verify(await signed({ ...claims, nbf: seconds + 3 }))).toMatchObject({ issuer: 'foreign' });
  });

  it.each([
    ['another audience', { aud: 'other' }, 'UNTRUSTED'],
    ['an issuer that is not configured', { iss: 'https://evil.example' }, 'UNTRUSTED'],
    ['no expiry', { exp: undefined }, 'UNTRUSTED'],
    ['an expiry in the past', { exp: seconds - 60 }, 'EXPIRED'],
    ['no time of issue', { iat: undefined }, 'UNTRUSTED'],
    ['a time of issue to come', { iat: seconds + 60 }, 'UNTRUSTED'],
    ['an age above what is configured', { iat: seconds - 3_700, exp: seconds + 3_600 }, 'EXPIRED'],
    ['our own name as issuer', { iss: 'bicameral', aud: 'bicameral' }, 'UNTRUSTED'],
  ])('refuses a token with %s', async (_, change, problem) => {
    expect(await problemOf(verifier, await signed({ ...claims, ...change }))).toBe(problem);
  });

  it('takes tokens of the configured type alone, with or without `application/`', async () => {
    expect(await verifier.verify(await signed(claims, { typ: 'application/at+jwt' }))).toMatchObject({ issuer: 'foreign' });
    for (const typ of ['JWT', 'logout+jwt', ''])
      expect(await problemOf(verifier, await signed(claims, { typ }))).toBe('UNTRUSTED');
  });

  it('believes a token that it knows no longer than its age allows', async () => {
    const token = await signed({ ...claims, iat: seconds - 3_500, exp: seconds + 3_600 });
    const { expiresAt } = await verifier.verify(token);
    expect(expiresAt).toBe(start + 105_000);
    now = expiresAt + 1_000;
    expect(await problemOf(verifier, token)).toBe('EXPIRED');
  });

  it('refuses a token whose key is not published', async () => {
    expect(await problemOf(verifier, await signed(claims, { kid: 'two' }))).toBe('UNTRUSTED');
  });

  it('refuses symmetric algorithms', async () => {
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', kid: 'one', typ: 'at+jwt' })
      .sign(new Uint8Array(32));
    expect(await problemOf(verifier, token)).toBe('UNTRUSTED');
  });

  it('asks nobody for the keys of an issuer that is not configured', async () => {
    await problemOf(verifier, await signed({ ...claims, iss: 'https://evil.example' }));
    expect(requests).toBe(0);
  });

  it.each([
    ['fails', undefined],
    ['answers no key set', { cheese: true }],
  ])('blames the issuer and not the token when its key server %s', async (_, answer) => {
    jwks = answer;
    const error = await refusalOf(verifier, await signed(claims));
    expect(error).toBeInstanceOf(IssuerUnavailable);
    expect(error).toMatchObject({ code: Code.Unavailable, reason: 'ISSUER_UNAVAILABLE', retryAfterMs: 1000 });
  });

  it('blames the issuer when its key server is gone, and recovers with it', async () => {
    const token = await signed(claims);
    const good = jwks;
    jwks = undefined;
    expect(await refusalOf(verifier, token)).toBeInstanceOf(IssuerUnavailable);
    jwks = good;
    expect(await verifier.verify(token)).toMatchObject({ issuer: 'foreign' });

    await stop();
    const unseen = createTokenVerifier({
      roles: testRoles,
      keys: [key],
      foreign: { issuer: claims.iss, audience: 'our-api', jwksUrl: new URL('http://127.0.0.1:1/jwks'), ...ACCEPTED },
      now: () => now,
    });
    expect(await refusalOf(unseen, token)).toBeInstanceOf(IssuerUnavailable);
    expect(verifier.verify(token)).toMatchObject({ issuer: 'foreign' });
  });

  it('refuses every foreign token when no issuer is configured', async () => {
    const ownOnly = createTokenVerifier({ keys: [key], roles: testRoles, now: () => now });
    expect(await problemOf(ownOnly, await signed(claims))).toBe('UNTRUSTED');
  });
});
