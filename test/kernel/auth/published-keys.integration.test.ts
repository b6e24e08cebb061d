import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { logIn, signUp } from '../../support/people.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

describe('/.well-known/jwks.json', () => {
  it('lets anybody verify the tokens of this service', async () => {
    const user = await signUp(app);
    const url = new URL(`http://127.0.0.1:${app.app.httpPort}/.well-known/jwks.json`);
    const { payload, protectedHeader } = await jwtVerify(await logIn(app, user), createRemoteJWKSet(url), {
      issuer: 'bicameral',
      audience: 'bicameral',
      algorithms: ['Ed25519'],
      typ: 'at+jwt',
    });
    expect(payload.sub).toBe(user.id);
    expect(protectedHeader.alg).toBe('Ed25519');
  });

  it('holds nothing of the private key', async () => {
    const answer = await fetch(`http://127.0.0.1:${app.app.httpPort}/.well-known/jwks.json`);
    const { keys } = (await answer.json()) as { keys: Record<string, string>[] };
    expect(keys).toHaveLength(1);
    expect(Object.keys(keys[0] ?? {}).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x']);
  });
});
