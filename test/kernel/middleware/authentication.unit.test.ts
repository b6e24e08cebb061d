import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Code } from '@connectrpc/connect';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { createAccessTokenIssuer } from '../../../src/kernel/auth/access-token.ts';
import { createAuthority } from '../../../src/kernel/auth/authority.ts';
import { IssuerUnavailable } from '../../../src/kernel/auth/errors.ts';
import { loadOrCreateSigningKey } from '../../../src/kernel/auth/key-files.ts';
import type { SigningKey } from '../../../src/kernel/auth/signing-key.ts';
import { createTokenVerifier, type TokenVerifier } from '../../../src/kernel/auth/token-verifier.ts';
import { principalKey, principalOf } from '../../../src/kernel/bus/context-keys.ts';
import { ANONYMOUS } from '../../../src/kernel/bus/principal.ts';
import { authentication } from '../../../src/kernel/middleware/authentication.ts';
import { testRoles } from '../../support/roles.ts';
import { callTo, pass } from './test-call.ts';

const { getUser } = QueryService.method;
const { createUser } = CommandService.method;

describe('authentication', () => {
  let folder: string;
  let key: SigningKey;
  let verifier: TokenVerifier;
  let token: string;
  let now: number;
  let ended: { epoch: number; kept: string };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'authentication-'));
    key = await loadOrCreateSigningKey(join(folder, 'key.pem'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  beforeEach(async () => {
    now = Date.UTC(2026, 0, 2);
    ended = { epoch: 0, kept: '' };
    verifier = createTokenVerifier({ keys: [key], roles: testRoles, now: () => now });
    const claims = { subject: 'ada', roles: ['operator'], sessionEpoch: 1, now: new Date(now), id: 'session-1' };
    token = (await createAccessTokenIssuer(key).issue(claims)).token;
  });

  const sessions = {
    hasEnded: (userId: string, epoch: number, session: string) =>
      userId === 'ada' && epoch < ended.epoch && session !== ended.kept,
  };
  const interceptor = () =>
    authentication(
      createAuthority({
        tokens: verifier,
        sessions: { ...sessions, onEnded: () => () => {}, isOpen: () => true },
        now: () => now,
      }),
    );

  async function identify(method: typeof getUser | typeof createUser, header: Record<string, string>) {
    const call = callTo(method, { header });
    await pass(interceptor(), call);
    return principalOf(call);
  }

  it.each(['Bearer', 'bearer', 'BEARER'])('finds the principal of a token after %s', async (scheme) => {
    expect(await identify(getUser, { authorization: `${scheme} ${token}` })).toEqual({
      id: 'ada',
      roles: ['operator'],
      permissions: new Set(['operations.read', 'operations.write']),
      session: 'session-1',
      issuer: 'bicameral',
    });
  });

  it('identifies the caller of an anonymous rpc too', async () => {
    expect(await identify(createUser, { authorization: `Bearer ${token}` })).toMatchObject({ id: 'ada' });
  });

  it('keeps the principal of an in-process caller and looks at no token', async () => {
    const call = callTo(getUser, { header: { authorization: 'Bearer garbage' } });
    const operator = { id: 'operator', roles: [], permissions: new Set<string>(), session: '' };
    call.contextValues.set(principalKey, operator);

    await pass(interceptor(), call);

    expect(principalOf(call)).toBe(operator);
  });

  it('refuses a call without a token', async () => {
    await expect(identify(getUser, {})).rejects.toMatchObject({
      reason: 'TOKEN_MISSING',
      code: Code.Unauthenticated,
      domain: 'cqrs.v1',
    });
  });

  it.each([
    ['garbage', 'MALFORMED'],
    ['Bearer', 'MALFORMED'],
    ['Bearer ', 'MALFORMED'],
    ['Bearer a b', 'MALFORMED'],
    ['Basic YWRhOnBhc3N3b3Jk', 'MALFORMED'],
    [`Bearer ${'x'.repeat(9000)}`, 'MALFORMED'],
  ])('refuses `authorization: %.30s` as %s', async (authorization, cause) => {
    const metadata = { cause };
    await expect(identify(getUser, { authorization })).rejects.toMatchObject({
      reason: 'TOKEN_INVALID',
      code: Code.Unauthenticated,
      metadata,
    });
  });

  it('refuses a token that has expired, known or not', async () => {
    const header = { authorization: `Bearer ${token}` };
    await identify(getUser, header);
    now += 15 * 60_000;
    await expect(identify(getUser, header)).rejects.toMatchObject({ metadata: { cause: 'EXPIRED' } });
  });

  it('refuses the token of a session that has ended, known or not, unless the session was kept', async () => {
    const header = { authorization: `Bearer ${token}` };
    ended = { epoch: 2, kept: '' };
    await expect(identify(getUser, header)).rejects.toMatchObject({ metadata: { cause: 'REVOKED' } });
    await expect(identify(getUser, header)).rejects.toMatchObject({ metadata: { cause: 'REVOKED' } });

    ended = { epoch: 2, kept: 'session-1' };
    expect(await identify(getUser, header)).toMatchObject({ id: 'ada' });
  });

  it.each([{}, { authorization: 'garbage' }, { authorization: `Bearer ${'x'.repeat(9000)}` }, { authorization: 'Bearer a.b.c' }])(
    'takes the caller of an anonymous rpc for anonymous with %j',
    async (header) => {
      expect(await identify(createUser, header as Record<string, string>)).toBe(ANONYMOUS);
    },
  );

  it('passes on that the issuer cannot be asked', async () => {
    verifier = { verify: () => Promise.reject(new IssuerUnavailable()) };
    await expect(identify(getUser, { authorization: 'Bearer x' })).rejects.toMatchObject({
      code: Code.Unavailable,
      retryAfterMs: 1000,
    });
    expect(await identify(createUser, { authorization: 'Bearer x' })).toBe(ANONYMOUS);
  });
});
