import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createConnectDoor } from '../../../src/kernel/doors/connect/door.ts';
import { createGrpcDoor } from '../../../src/kernel/doors/grpc/door.ts';
import { EchoRequestSchema } from '../../gen/conformance/v1/conformance_pb.js';
import { conformanceService } from '../../support/conformance-service.ts';
import { BOMB, noise, throwBytes } from '../../support/hostile-bytes.ts';
import { callRaw, frame, openCall, withSession } from '../../support/raw-http2.ts';

const ECHO = '/conformance.v1.CommandService/Echo';
const COUNT = '/conformance.v1.QueryService/Count';
const EMPTY = Buffer.alloc(0);
const GOOD = toBinary(EchoRequestSchema, create(EchoRequestSchema, { text: 'good' }));
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
/** A field of the request, as bytes: number 1 is `text`, 2 is `payload`. */
const field = (tag: number, ...bytes: number[]): Buffer => Buffer.from([tag, ...bytes]);

const conformance = conformanceService();
const grpcDoor = createGrpcDoor(conformance);
const connectDoor = createConnectDoor(conformance);
let ports: Record<'grpc' | 'connect', number>;
const crashes: unknown[] = [];
const noteCrash = (error: unknown): number => crashes.push(error);

beforeAll(async () => {
  ports = { grpc: await grpcDoor.listen('127.0.0.1:0'), connect: await connectDoor.listen('127.0.0.1:0') };
  process.on('uncaughtException', noteCrash).on('unhandledRejection', noteCrash);
});
afterAll(async () => {
  process.off('uncaughtException', noteCrash).off('unhandledRejection', noteCrash);
  await Promise.all([grpcDoor.close({ graceMs: 0 }), connectDoor.close({ graceMs: 0 })]);
});
beforeEach(() => {
  for (const list of [crashes, conformance.reported, conformance.calls]) list.length = 0;
});

describe.each(['grpc', 'connect'] as const)('gRPC at the %s door', (name) => {
  afterEach(async () => {
    const answer = await callRaw(ports[name], { path: ECHO, body: frame(GOOD) });
    expect(answer).toMatchObject({ httpStatus: 200, grpcStatus: 0 });
    expect(answer.body.includes('good')).toBe(true);
    expect(crashes).toEqual([]);
    expect(conformance.reported).toEqual([]);
  });

  it.each([
    ['noise', noise(1000)],
    ['a truncated field', field(0x0a, 100, 1, 2)],
    ['a length that reaches beyond the message', field(0x0a, 0xff, 0xff, 0xff, 0xff, 0x07)],
    ['an endless varint', field(0x20, ...Array(11).fill(0xff))],
    ['field number 0', field(0x02, 1, 1)],
    ['a wire type that does not exist', field(0x0f)],
    ['bad UTF-8', field(0x0a, 2, 0xc3, 0x28)],
    ['a surrogate in UTF-8', field(0x0a, 3, 0xed, 0xa0, 0x80)],
    ['an overlong NUL', field(0x0a, 2, 0xc0, 0x80)],
    ['bad UTF-8 in another field', field(0x1a, 1, 0xff)],
    ['ten thousand open groups', Buffer.alloc(10_000, 0x53)],
  ])('refuses %s as malformed', async (_, message) => {
    const answer = await callRaw(ports[name], { path: ECHO, body: frame(message) });
    expect(answer).toMatchObject({ grpcStatus: Code.InvalidArgument, reason: 'MALFORMED_REQUEST' });
    expect(conformance.calls).toEqual([]);
  });

  it('takes bytes that are no text where bytes are asked for', async () => {
    const answer = await callRaw(ports[name], { path: ECHO, body: frame(field(0x12, 2, 0xc3, 0x28)) });
    expect(answer.grpcStatus).toBe(0);
  });

  describe.each([ECHO, COUNT])('%s', (path) => {
    it.each([
      ['half a frame head', frame(GOOD).subarray(0, 3)],
      ['half a message', frame(GOOD).subarray(0, 8)],
    ])('refuses %s as malformed', async (_, body) => {
      const answer = await callRaw(ports[name], { path, body });
      expect(answer).toMatchObject({ grpcStatus: Code.InvalidArgument, reason: 'MALFORMED_REQUEST' });
    });

    it.each([
      ['no message', Buffer.alloc(0)],
      ['two messages', Buffer.concat([frame(EMPTY), frame(EMPTY)])],
    ])('refuses %s as what is not served', async (_, body) => {
      const answer = await callRaw(ports[name], { path, body });
      expect(answer).toMatchObject({ grpcStatus: Code.Unimplemented, reason: 'NOT_IMPLEMENTED' });
    });

    it.each([{}, { 'grpc-encoding': 'identity' }])('refuses a compressed message that does not say how (%j)', async (headers) => {
      const answer = await callRaw(ports[name], { path, body: frame(GOOD, { compressed: true }), headers });
      expect(answer).toMatchObject({ grpcStatus: Code.Internal, reason: 'COMPRESSION_UNDECLARED' });
      expect(conformance.calls).toEqual([]);
    });
  });

  it('refuses a frame that claims 4 GiB', async () => {
    const head = Buffer.from([0, 0xff, 0xff, 0xff, 0xff]);
    const answer = await callRaw(ports[name], { path: ECHO, body: Buffer.concat([head, GOOD]) });
    expect(answer).toMatchObject({ grpcStatus: Code.ResourceExhausted, reason: 'MESSAGE_TOO_LARGE' });
  });

  it('refuses a message over the limit', async () => {
    const answer = await callRaw(ports[name], { path: ECHO, body: frame(Buffer.alloc(4 * 1024 * 1024 + 1)) });
    expect(answer).toMatchObject({ grpcStatus: Code.ResourceExhausted, reason: 'MESSAGE_TOO_LARGE' });
  });

  it('refuses a gzip bomb without unpacking it', async () => {
    const before = process.memoryUsage().rss;
    const answer = await callRaw(ports[name], {
      path: ECHO,
      body: frame(BOMB, { compressed: true }),
      headers: { 'grpc-encoding': 'gzip' },
    });
    expect(answer).toMatchObject({ grpcStatus: Code.ResourceExhausted, reason: 'MESSAGE_TOO_LARGE' });
    expect(process.memoryUsage().rss - before).toBeLessThan(48 * 1024 * 1024);
  });

  it.each([
    ['gzip that is none', noise(100)],
    ['truncated gzip', gzipSync(Buffer.from(GOOD)).subarray(0, 15)],
    ['gzip of nothing valid', gzipSync(noise(100))],
  ])('refuses %s as malformed', async (_, bytes) => {
    const body = frame(bytes, { compressed: true });
    const answer = await callRaw(ports[name], { path: ECHO, body, headers: { 'grpc-encoding': 'gzip' } });
    expect(answer).toMatchObject({ grpcStatus: Code.InvalidArgument, reason: 'MALFORMED_REQUEST' });
  });

  it.each([true, false])('refuses a compression that it does not know (a message that is compressed: %p)', async (compressed) => {
    const body = frame(GOOD, { compressed });
    const answer = await callRaw(ports[name], { path: ECHO, body, headers: { 'grpc-encoding': 'snappy' } });
    expect(answer).toMatchObject({ grpcStatus: Code.Unimplemented, reason: 'NOT_IMPLEMENTED' });
    expect(answer.headers['grpc-accept-encoding']).toContain('gzip');
  });

  it.each(['soon', '-1S', '1', '123456789S', '1S1S', '٣S', ''])('refuses the timeout %j', async (timeout) => {
    const body = frame(GOOD);
    const answer = await callRaw(ports[name], { path: ECHO, body, headers: { 'grpc-timeout': encodeURI(timeout) } });
    expect(answer).toMatchObject({ grpcStatus: Code.InvalidArgument, reason: 'MALFORMED_REQUEST' });
    expect(answer.message).toMatch(/grpc.timeout/);
  });

  it.each(['99999999H', '2592000S'])('bears the timeout %s', async (timeout) => {
    const answer = await callRaw(ports[name], { path: ECHO, body: frame(GOOD), headers: { 'grpc-timeout': timeout } });
    expect(answer.grpcStatus).toBe(0);
  });

  it('does not let a caller set metadata that the door keeps for itself', async () => {
    const headers = { 'grpc-deadline': 'NaN', 'grpc-unknown-path': '/other' };
    expect(await callRaw(ports[name], { path: ECHO, body: frame(GOOD), headers })).toMatchObject({ grpcStatus: 0 });
  });

  it.each(['text/plain', 'application/grpcx', 'application/json'])('refuses the content type %s', async (type) => {
    const answer = await callRaw(ports[name], { path: ECHO, body: frame(GOOD), headers: { 'content-type': type } });
    expect([undefined, Code.InvalidArgument, Code.Unknown]).toContain(answer.grpcStatus);
    expect([400, 415]).toContain(answer.httpStatus);
    expect(conformance.calls).toEqual([]);
  });

  it.each(['/', '', '*', '//', '/%00', '/constructor', '/__proto__/toString', `/${'x'.repeat(10_000)}`])(
    'refuses the path %j',
    async (path) => {
      const answer = await callRaw(ports[name], { path, body: frame(GOOD) });
      if (answer.httpStatus === 200) expect(answer.grpcStatus).toBe(Code.Unimplemented);
      else expect([404, 400, undefined]).toContain(answer.httpStatus);
    },
  );

  it('survives ten thousand headers', async () => {
    const headers = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`x-${index}`, 'v']));
    const answer = await callRaw(ports[name], { path: ECHO, body: frame(GOOD), headers }).catch(() => undefined);
    expect([undefined, Code.ResourceExhausted]).toContain(answer?.grpcStatus);
    expect(conformance.calls).toEqual([]);
  });

  it('survives a header of a megabyte', async () => {
    const headers = { 'x-big': 'v'.repeat(1_000_000) };
    const answer = await callRaw(ports[name], { path: ECHO, body: frame(GOOD), headers }).catch(() => undefined);
    expect([undefined, Code.ResourceExhausted]).toContain(answer?.grpcStatus);
  });

  it('survives calls that are opened and reset at once', async () => {
    await withSession(ports[name], async (session) => {
      for (let opened = 0; opened < 500 && !session.destroyed; opened += 1) openCall(session, ECHO).close(8);
      await sleep(100);
    });
  });

  it.each([
    ['noise', [noise(65_536)]],
    ['noise after the preface', [PREFACE, SETTINGS, noise(65_536)]],
    ['a frame of 16 MiB', [PREFACE, SETTINGS, Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]), noise(1000)]],
    ['data for a stream that is not open', [PREFACE, SETTINGS, Buffer.from([0, 0, 1, 0, 0, 0, 0, 0, 7, 0])]],
    ['headers that do not unpack', [PREFACE, SETTINGS, Buffer.from([0, 0, 4, 1, 5, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff])]],
    ['a window update of nothing', [PREFACE, SETTINGS, Buffer.from([0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0])]],
    ['settings that make no sense', [PREFACE, Buffer.from([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1])]],
    ['half a preface', [PREFACE.subarray(0, 10)]],
    ['nothing', []],
    ['a TLS hello', [Buffer.from('160301020001000001fc0303', 'hex'), noise(500)]],
    [
      'HTTP/1.1 with a gRPC type',
      [`POST ${ECHO} HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n`],
    ],
  ] as [string, (Uint8Array | string)[]][])('survives a connection that sends %s', async (_, chunks) => {
    await throwBytes(ports[name], ...chunks);
  });
});
