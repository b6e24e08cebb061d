import { connect as connectTcp } from 'node:net';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createConnectDoor } from '../../../../src/kernel/doors/connect/door.ts';
import { EchoRequestSchema } from '../../../gen/conformance/v1/conformance_pb.js';
import { eventually } from '../../../support/eventually.ts';
import { GUARDED, type GuardedDoor, guardedDoor } from '../../../support/guarded-doors.ts';
import { data, FLAG, headers, PREFACE, RawConnection, settings } from '../../../support/raw-frames.ts';
import { frame } from '../../../support/raw-http2.ts';

const ECHO = '/conformance.v1.CommandService/Echo';
const SHORT = { beginMs: 150, requestMs: 150, probeMs: 150, probeAnswerMs: 150, idleMs: 60_000 };
const GRPC = { ':path': ECHO, 'content-type': 'application/grpc', te: 'trailers' };
const GOOD = frame(toBinary(EchoRequestSchema, create(EchoRequestSchema, { text: 'good' })));

let guarded: GuardedDoor;
afterEach(async () => guarded[Symbol.asyncDispose]());

describe.each(GUARDED)('%s ends', (_, making) => {
  it.each([
    ['silence', []],
    ['half a preface', [PREFACE.subarray(0, 10)]],
    ['a preface without settings', [PREFACE]],
    ['a frame that does not end', [PREFACE, settings().subarray(0, 5)]],
    ['a header without an end', [PREFACE, settings(), headers(1, GRPC, 0)]],
    ['a message that does not end, in one frame', [PREFACE, settings(), headers(1, GRPC), data(1, GOOD).subarray(0, 12)]],
  ])('a connection that begins with %s', async (__, bytes) => {
    guarded = await guardedDoor(making, { limits: SHORT });
    await using connection = await guarded.connect();
    connection.send(...bytes);
    await connection.closed;
    expect(guarded.conformance.calls).toEqual([]);
  });
});

describe.each(GUARDED.filter(([name]) => name.includes('TLS')))('%s ends', (_, making) => {
  it.each([
    ['silence', Buffer.alloc(0)],
    ['half a hello', Buffer.from('160301020001000001fc0303', 'hex')],
  ])('a handshake that stops at %s', async (__, bytes) => {
    guarded = await guardedDoor(making, { limits: SHORT });
    await using connection = await RawConnection.open(guarded.port);
    connection.send(bytes);
    await connection.closed;
  });
});

describe.each(GUARDED.filter(([, { make }]) => make === createConnectDoor))('%s over HTTP/1.1 ends', (_, making) => {
  const HTTP1 = `POST ${ECHO} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;

  const connect = () => RawConnection.open(guarded.port, guarded.tls && { ...guarded.tls, ALPNProtocols: ['http/1.1'] });

  it.each([
    ['half a request line', 'POST /conf'],
    ['half a header', HTTP1],
    ['a header and nothing', `${HTTP1}Content-Length: 100\r\n\r\n`],
    ['half a body', `${HTTP1}Content-Length: 100\r\n\r\n{"text":`],
    ['half a chunk', `${HTTP1}Transfer-Encoding: chunked\r\n\r\n10\r\n{"text":`],
  ])('a connection that stops after %s, and says why', async (__, bytes) => {
    guarded = await guardedDoor(making, { limits: SHORT });
    await using connection = await connect();
    connection.send(bytes);
    await connection.closed;
    expect(connection.text).toMatch(/^HTTP\/1\.1 408 .*connection: close/is);
    expect(guarded.conformance.calls).toEqual([]);
  });

  it('silence', async () => {
    guarded = await guardedDoor(making, { limits: SHORT });
    await using connection = await connect();
    await connection.closed;
  });
});

it('a connection that nobody accepts is not a place that is taken', async () => {
  guarded = await guardedDoor(GUARDED[0][1], { limits: { connections: 2 } });
  for (let opened = 0; opened < 20; opened += 1)
    connectTcp(guarded.port, '127.0.0.1')
      .on('error', () => undefined)
      .destroy();
  await using connection = await guarded.connectHttp2();
  connection.send(headers(1, GRPC), data(1, GOOD, FLAG.endStream));
  await eventually(() => expect(guarded.conformance.calls).toHaveLength(1));
});
