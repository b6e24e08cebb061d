import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { DescService } from '@bufbuild/protobuf';
import { type Client, createClient, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../gen/users/v1/query_service_pb.js';
import { type App, startApp } from '../../src/app.ts';
import { loadSigningKey } from '../../src/kernel/auth/key-files.ts';
import { refusalOf } from '../support/errors.ts';
import { eventually } from '../support/eventually.ts';
import { asAdmin, PASSWORD, signUp } from '../support/people.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';
import { FORGED_TOKENS, type Forge, foreign, genuine, THEIR_JWK } from './forged-tokens.ts';
import { encoded } from './generated-messages.ts';
import { DOORS, type OpenDoors, openDoors } from './open-doors.ts';
import { pathOf } from './raw-calls.ts';

const { getUser } = QueryService.method;

let app: TestApp;
let doors: OpenDoors;
let forge: Forge;
let theirServer: Server;
let requestsToTheirServer = 0;

beforeAll(async () => {
  app = await startTestApp();
  doors = openDoors(app.app);
  theirServer = createServer((_, response) => {
    requestsToTheirServer += 1;
    response.end(JSON.stringify({ keys: [THEIR_JWK] }));
  });
  await new Promise<void>((resolve) => theirServer.listen(0, '127.0.0.1', resolve));
  const jwksUrl = `http://127.0.0.1:${(theirServer.address() as AddressInfo).port}/jwks.json`;
  forge = { key: await loadSigningKey(app.keyFile), subject: (await signUp(app)).id, jwksUrl };
});
afterAll(async () => {
  doors.close();
  theirServer.close();
  await app.stop();
});

describe.each(DOORS)('a caller over %s', (door) => {
  function readSelf(authorization: string): Promise<Uint8Array> {
    const body = encoded(getUser.input, { userId: forge.subject });
    return doors[door]({ path: pathOf(getUser), headers: { authorization }, body });
  }

  it('is believed with a token of this service, however the scheme is written', async () => {
    for (const scheme of ['Bearer', 'bearer', 'BEARER ']) {
      expect((await readSelf(`${scheme} ${genuine(forge)}`)).byteLength).toBeGreaterThan(0);
    }
  });

  it.each(Object.entries(FORGED_TOKENS))('is refused with %s', async (_, { make, cause }) => {
    const refusal = await refusalOf(readSelf(`Bearer ${make(forge)}`));
    expect(refusal).toMatchObject({ code: 'Unauthenticated', reason: 'TOKEN_INVALID', metadata: { cause } });
  });

  it.each(['Basic YWRtaW46YWRtaW4=', 'Bearer', 'Digest username="admin"', 'token'])(
    'is refused with the scheme of “%s”',
    async (authorization) => {
      const refusal = await refusalOf(readSelf(authorization));
      expect(refusal).toMatchObject({ code: 'Unauthenticated', reason: 'TOKEN_INVALID', metadata: { cause: 'MALFORMED' } });
    },
  );

  it('is refused with two tokens at once', async () => {
    const refusal = await refusalOf(readSelf(`Bearer ${genuine(forge)}, Bearer ${genuine(forge)}`));
    expect(refusal).toMatchObject({ code: 'Unauthenticated', reason: 'TOKEN_INVALID' });
  });
});

it('asks no address that a token names', () => {
  expect(requestsToTheirServer).toBe(0);
});

describe('an instance that trusts another issuer', () => {
  const issuer = 'https://login.example.org';
  const audience = 'https://users.example.org';
  let trusting: App;

  beforeAll(async () => {
    const foreignIssuer = { issuer, audience, jwksUrl: new URL(forge.jwksUrl), tokenType: 'at+jwt', maxAgeMs: 3_600_000 };
    trusting = await startApp({ ...app.config, foreignIssuer }, { logger: pino({ level: 'silent' }) });
  });
  afterAll(() => trusting.stop());

  function as<S extends DescService>(service: S, token: string): Client<S> {
    const caller: Interceptor = (next) => (request) => {
      request.header.set('authorization', `Bearer ${token}`);
      return next(request);
    };
    const baseUrl = `http://127.0.0.1:${trusting.httpPort}`;
    return createClient(service, createConnectTransport({ baseUrl, httpVersion: '1.1', interceptors: [caller] }));
  }
  const theirs = { iss: issuer, aud: audience };

  it('believes it, whatever it calls its sessions', async () => {
    const password = 'seven blue lamps hum';
    const user = await signUp(app);
    for (const jti of [undefined, 'session 1', "'; --"]) {
      const token = foreign({ ...forge, subject: user.id }, { ...theirs, jti });
      expect((await as(QueryService, token).getUser({ userId: user.id })).user?.email).toBe(user.email);
    }
    const token = foreign({ ...forge, subject: user.id }, { ...theirs, jti: 'session 1' });
    const change = { userId: user.id, currentPassword: PASSWORD, newPassword: password };
    expect((await as(CommandService, token).changePassword(change)).user?.version).toBe(2n);
  });

  it('is named by the records of what its callers do, and so is this service itself', async () => {
    const user = await signUp(app);
    const change = (token: string) => as(CommandService, token).changeName({ userId: user.id, name: 'Ada' });
    await change(foreign({ ...forge, subject: user.id }, theirs));
    await change(genuine({ ...forge, subject: user.id }));
    const records = await app.database.query(
      `select outcome, issuer from cqrs.command_log where method = 'users.v1.CommandService/ChangeName' and request->>'userId' = $1 order by position`,
      [user.id],
    );
    expect(records).toEqual([
      { outcome: 'succeeded', issuer },
      { outcome: 'succeeded', issuer: 'bicameral' },
    ]);
    const anonymous = await app.database.query(
      `select distinct issuer from cqrs.command_log where method = 'users.v1.CommandService/CreateUser' and principal = ''`,
    );
    expect(anonymous).toEqual([{ issuer: '' }]);
  });

  it.each([
    ['suspended', (userId: string) => asAdmin(app).suspendUser({ userId, reason: 'a test' })],
    ['deleted', (userId: string) => asAdmin(app).deleteUser({ userId })],
  ])('does not believe it about an account that is %s here, whatever role it gives', async (_, end) => {
    const user = await signUp(app);
    const subjects = [user.id, user.id.toUpperCase()];
    const tokens = subjects.map((subject) => foreign({ ...forge, subject }, { ...theirs, jti: randomUUID() }));
    const [early = '', late = ''] = tokens;
    expect((await as(QueryService, early).getUser({ userId: user.id })).user?.email).toBe(user.email);
    await end(user.id);
    for (const token of [early, late]) {
      const calls = [
        () => as(QueryService, token).getUser({ userId: user.id }),
        () => as(QueryService, token).listUsers({}),
        () => as(CommandService, token).changeName({ userId: user.id, name: 'x' }),
        () => as(CommandService, token).deleteUser({ userId: user.id }),
      ];
      for (const call of calls) {
        await eventually(async () => {
          const refusal = { code: 'Unauthenticated', reason: 'TOKEN_INVALID', metadata: { cause: 'SUSPENDED' } };
          expect(await refusalOf(call())).toMatchObject(refusal);
        });
      }
    }
  });

  it('believes it again about an account that was reactivated', async () => {
    const user = await signUp(app);
    const token = foreign({ ...forge, subject: user.id }, theirs);
    await asAdmin(app).suspendUser({ userId: user.id, reason: 'a test' });
    expect(await refusalOf(as(QueryService, token).getUser({ userId: user.id }))).toMatchObject({ reason: 'TOKEN_INVALID' });
    await asAdmin(app).reactivateUser({ userId: user.id, reason: 'a test' });
    expect((await as(QueryService, token).getUser({ userId: user.id })).user?.email).toBe(user.email);
  });

  it.each<[string, (forge: Forge) => string]>([
    ['of that issuer for somebody else', (forge) => foreign(forge, { ...theirs, aud: 'https://api.example.org' })],
    ['in its name, signed by our key', (forge) => genuine(forge, theirs)],
    ['in our name, signed by its key', (forge) => foreign(forge, {})],
    ['of that issuer without a subject', (forge) => foreign(forge, { ...theirs, sub: undefined })],
    ['of that issuer that never expires', (forge) => foreign(forge, { ...theirs, exp: undefined })],
    ['of that issuer that says not when it was made', (forge) => foreign(forge, { ...theirs, iat: undefined })],
    ['of that issuer of another type', (forge) => foreign(forge, theirs, { typ: 'JWT' })],
  ])('refuses a token %s', async (_, make) => {
    const refusal = await refusalOf(as(QueryService, make(forge)).getUser({ userId: forge.subject }));
    expect(refusal).toMatchObject({ code: 'Unauthenticated', reason: 'TOKEN_INVALID', metadata: { cause: 'UNTRUSTED' } });
  });
});
