import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { type AccessTokenIssuer, createAccessTokenIssuer } from '../../../src/kernel/auth/access-token.ts';
import { loadOrCreateSigningKey } from '../../../src/kernel/auth/key-files.ts';
import type { SigningKey } from '../../../src/kernel/auth/signing-key.ts';

describe('access token', () => {
  let folder: string;
  let key: SigningKey;
  let issuer: AccessTokenIssuer;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'access-token-'));
    key = await loadOrCreateSigningKey(join(folder, 'key.pem'));
    issuer = createAccessTokenIssuer(key);
  });
  afterAll(() => rm(folder, { recursive: true }));

  const claims = {
    subject: 'user-1',
    roles: ['admin'],
    sessionEpoch: 3,
    now: new Date('2026-01-02T03:04:05.678Z'),
    id: 'session-1',
  };

  it('says who, for whom, for how long and in which session', async () => {
    const { token, expiresAt } = await issuer.issue(claims);
    const issuedAt = Date.UTC(2026, 0, 2, 3, 4, 5) / 1000;

    expect(decodeProtectedHeader(token)).toEqual({ alg: 'Ed25519', typ: 'at+jwt', kid: key.publicJwk.kid });
    expect(decodeJwt(token)).toEqual({
      iss: 'bicameral',
      aud: 'bicameral',
      sub: 'user-1',
      iat: issuedAt,
      exp: issuedAt + 900,
      jti: 'session-1',
      sid: 'session-1',
      roles: ['admin'],
      epoch: 3,
    });
    expect(expiresAt).toEqual(new Date('2026-01-02T03:19:05.000Z'));
  });

  it('is the same for the same claims', async () => {
    expect(await issuer.issue(claims)).toEqual(await issuer.issue(claims));
  });
});
