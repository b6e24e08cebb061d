import { create, toBinary } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createGrpcDoor } from '../../../../src/kernel/doors/grpc/door.ts';
import { AskRequestSchema, CountRequestSchema, EchoRequestSchema } from '../../../gen/conformance/v1/conformance_pb.js';
import { conformanceService } from '../../../support/conformance-service.ts';
import { callRaw, frame, type WireAnswer } from '../../../support/raw-http2.ts';

const ECHO = '/conformance.v1.CommandService/Echo';
const ASK = '/conformance.v1.QueryService/Ask';
const COUNT = '/conformance.v1.QueryService/Count';
const UNKNOWN = '/conformance.v1.QueryService/Nothing';
/** Of a length that base64 has to pad. */
const BYTES = Buffer.from('odd!');
const PADDED = BYTES.toString('base64');
const UNPADDED = PADDED.replace(/=+$/, '');

const conformance = conformanceService();
const door = createGrpcDoor(conformance);
let port: number;

beforeAll(async () => {
  port = await door.listen('127.0.0.1:0');
});
afterAll(() => door.close({ graceMs: 0 }));
beforeEach(() => {
  conformance.calls.length = 0;
});

const echo = (text: string, failWith = ''): Buffer =>
  frame(toBinary(EchoRequestSchema, create(EchoRequestSchema, { text, failWith })));
const ask = (text: string): Buffer => frame(toBinary(AskRequestSchema, create(AskRequestSchema, { text })));
const count = (upTo: number, failAfter = 0): Buffer =>
  frame(toBinary(CountRequestSchema, create(CountRequestSchema, { upTo, failAfter })));
const failures: readonly (readonly [string, string, Buffer])[] = [
  ['a handler', ECHO, echo('', 'conflict')],
  ['a handler, of another length', ECHO, echo('', 'not-found')],
  ['a handler, and another', ECHO, echo('', 'overloaded')],
  ['a stream', COUNT, count(3, 1)],
  ['the library', ECHO, Buffer.alloc(0)],
  ['an unknown method', UNKNOWN, echo('')],
];

describe('binary values', () => {
  it('are sent without padding, among headers and trailers', async () => {
    const headers = { 'echo-x-bin': PADDED, 'trail-x-bin': PADDED };
    for (const [path, body] of [
      [ECHO, echo('')],
      [COUNT, count(1)],
    ] as const) {
      const answer = await callRaw(port, { path, body, headers });
      expect(answer.headers).toMatchObject({ 'echo-x-bin': UNPADDED, 'trail-x-bin': UNPADDED, 'grpc-status': '0' });
    }
  });

  it('are sent without padding when a key has several', async () => {
    const answer = await callRaw(port, { path: ECHO, body: echo(''), headers: { 'echo-x-bin': [PADDED, UNPADDED] } });
    expect(answer.headers['echo-x-bin']).toBe(`${UNPADDED}, ${UNPADDED}`);
  });

  it.each(failures)('are sent without padding in the details of an error by %s', async (_, path, body) => {
    const answer = await callRaw(port, { path, body });
    expect(answer.reason).toBeDefined();
    expect(answer.headers['grpc-status-details-bin']).not.toContain('=');
  });

  it.each([PADDED, UNPADDED])('are taken with padding and without (%s)', async (value) => {
    const answer = await callRaw(port, { path: ECHO, body: echo(''), headers: { 'x-bin': value } });
    expect(answer.grpcStatus).toBe(0);
    expect(Buffer.from(conformance.calls[0]?.header.get('x-bin') ?? '', 'base64')).toEqual(BYTES);
  });
});

describe('grpc-message', () => {
  it.each([
    [ECHO, echo('')],
    [COUNT, count(2)],
  ])('is not sent with status 0 (%s)', async (path, body) => {
    const answer = await callRaw(port, { path, body });
    expect(answer.grpcStatus).toBe(0);
    expect(answer.headers).not.toHaveProperty('grpc-message');
  });

  it.each(failures)('is sent with an error by %s', async (_, path, body) => {
    const answer = await callRaw(port, { path, body });
    expect(answer.grpcStatus).toBeGreaterThan(0);
    expect(answer.message).not.toBe('');
  });
});

describe('the form of a call', () => {
  const refused = (answer: WireAnswer) => [answer.httpStatus, answer.grpcStatus, answer.reason];
  const health = '/grpc.health.v1.Health/Check';

  it.each(['PUT', 'DELETE', 'PATCH', 'GET', 'HEAD', 'OPTIONS'])('is not the verb %s', async (verb) => {
    for (const path of [ECHO, ASK, COUNT, UNKNOWN, health]) {
      const answer = await callRaw(port, { path, body: ask('?'), headers: { ':method': verb } });
      expect(refused(answer)).toEqual([405, Code.Unknown, 'HTTP_VERB_UNSUPPORTED']);
      expect(answer.headers).toMatchObject({ allow: 'POST', 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
    }
    expect(conformance.calls).toEqual([]);
  });

  it.each([
    'application/grpc+json',
    'application/grpc-web',
    'application/grpc-web+proto',
    'application/grpcurl',
    'application/json',
    'application/grpc+proto, application/grpc',
    'nonsense',
    '',
  ])('is not the content type %j', async (type) => {
    for (const path of [ECHO, COUNT, UNKNOWN, health]) {
      const answer = await callRaw(port, { path, body: frame(Buffer.alloc(0)), headers: { 'content-type': type } });
      expect(refused(answer)).toEqual([415, Code.Unknown, 'CONTENT_TYPE_UNSUPPORTED']);
    }
    expect(conformance.calls).toEqual([]);
  });

  it.each(['application/grpc', 'application/grpc+proto', 'Application/GRPC', 'application/grpc; charset="utf-8"; x=y'])(
    'is the content type %j',
    async (type) => {
      const answer = await callRaw(port, { path: ECHO, body: echo(''), headers: { 'content-type': type } });
      expect(answer).toMatchObject({ httpStatus: 200, grpcStatus: 0 });
    },
  );

  it.each([2, 3, 128, 255])('has no flag %d', async (flag) => {
    const body = echo('flagged');
    body.writeUInt8(flag, 0);
    const answer = await callRaw(port, { path: ECHO, body });
    expect(answer).toMatchObject({ grpcStatus: Code.InvalidArgument, reason: 'MALFORMED_REQUEST' });
    expect(conformance.calls).toEqual([]);
  });
});
