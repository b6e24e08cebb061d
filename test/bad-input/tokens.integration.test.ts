import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GetUserRequestSchema, QueryService } from '../../gen/users/v1/query_service_pb.js';
import { loadSigningKey } from '../../src/auth/signing-key.ts';
import { refusalOf } from '../support/errors.ts';
import { signUp } from '../support/people.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';
import { FORGED_TOKENS, type Forge, genuine, THEIR_JWK } from './forged-tokens.ts';
import { connectMessages, grpcMessages, pathOf, type SendRaw } from './raw-calls.ts';
import { http2Line, type Line } from './raw-requests.ts';

let app: TestApp;
let forge: Forge;
let theirServer: Server;
let requestsToTheirServer = 0;
const lines: Line[] = [];
const sends = new Map<string, SendRaw>();

beforeAll(async () => {
  app = await startTestApp();
  theirServer = createServer((_, response) => {
    requestsToTheirServer += 1;
    response.end(JSON.stringify({ keys: [THEIR_JWK] }));
  });
  await new Promise<void>((resolve) => theirServer.listen(0, '127.0.0.1', resolve));
  const jwksUrl = `http://127.0.0.1:${(theirServer.address() as AddressInfo).port}/jwks.json`;
  forge = { key: await loadSigningKey(app.config.signingKey.file), subject: (await signUp(app)).id, jwksUrl };

  lines.push(http2Line(app.app.grpcPort), http2Line(app.app.httpPort));
  const [grpc, connect] = lines as [Line, Line];
  sends.set('gRPC', grpcMessages(grpc)).set('Connect', connectMessages(connect, 'proto'));
});
afterAll(async () => {
  for (const line of lines) line.close();
  theirServer.close();
  await app.stop();
});

describe.each(['gRPC', 'Connect'])('a caller over %s', (door) => {
  function readSelf(authorization: string): Promise<Uint8Array> {
    const path = pathOf(QueryService.method.getUser);
    const body = toBinary(GetUserRequestSchema, { $typeName: 'users.v1.GetUserRequest', userId: forge.subject });
    const send = sends.get(door);
    if (!send) throw new Error(`no door ${door}`);
    return send({ path, headers: { authorization }, body });
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
    async (text) => {
      const refusal = await refusalOf(readSelf(text));
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
