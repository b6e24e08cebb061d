import { once } from 'node:events';
import { connect as connectHttp2, constants } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createConnectDoor } from '../../../src/transport/connect/door.ts';
import { EchoRequestSchema } from '../../gen/conformance/v1/conformance_pb.js';
import { eventually } from '../../support/eventually.ts';
import { GUARDED, type GuardedDoor, guardedDoor } from '../../support/guarded-doors.ts';
import { data, FLAG, headers, PREFACE, RawConnection, settings } from '../../support/raw-frames.ts';
import { frame, openCall } from '../../support/raw-http2.ts';

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

  it.each([
    ['nothing', []],
    ['half a message', [GOOD.subarray(0, 8)]],
    ['a message, and no end', [GOOD]],
  ])('a call that has a header and %s', async (__, bytes) => {
    guarded = await guardedDoor(making, { limits: { requestMs: 150 } });
    const session = connectHttp2(`${guarded.tls ? 'https' : 'http'}://localhost:${guarded.port}`, { ...guarded.tls });
    const stream = openCall(session, ECHO);
    const closed = new Promise((resolve) => stream.once('close', resolve));
    for (const part of bytes) stream.write(part);
    const said: Record<string, unknown> = {};
    stream.on('response', (head) => Object.assign(said, head)).on('trailers', (trailers) => Object.assign(said, trailers));
    stream.resume();
    await closed;
    // It is told why, and then to stop (RFC 9113, 8.1).
    expect([said['grpc-status'], said['grpc-message']]).toEqual([
      '4',
      'the%20request%20did%20not%20come%20in%20whole%20in%20time',
    ]);
    expect(stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
    expect(guarded.conformance.calls).toEqual([]);
    // The connection itself is as good as before.
    openCall(session, ECHO).end(GOOD);
    await eventually(() => expect(guarded.conformance.calls).toHaveLength(1));
    session.close();
  });

  it('only what is unfinished: a caller that answers pings stays, and so does a call that takes its time', async () => {
    guarded = await guardedDoor(making, { limits: SHORT });
    const { port, tls } = guarded;
    const session = connectHttp2(`${tls ? 'https' : 'http'}://localhost:${port}`, { ...tls });
    const closed = new Promise((resolve) => session.once('close', resolve));
    const slow = frame(toBinary(EchoRequestSchema, create(EchoRequestSchema, { text: 'slow', delayMs: 1500 })));
    const stream = session.request({ ':method': 'POST', ...GRPC });
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    const answered = new Promise((resolve) => stream.once('close', resolve));
    stream.end(slow);
    await answered;
    expect(Buffer.concat(chunks).includes('slow')).toBe(true);
    expect(session.destroyed).toBe(false);
    session.close();
    await closed;
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

  it('a caller that begins the handshake anew (RFC 9113, 9.2.1)', async () => {
    guarded = await guardedDoor(making);
    await using connection = await RawConnection.open(guarded.port, {
      ...guarded.tls,
      maxVersion: 'TLSv1.2',
      ALPNProtocols: ['h2'],
    });
    connection.send(PREFACE, settings());
    await once(connection.socket, 'data');
    (connection.socket as TLSSocket).renegotiate({}, () => undefined);
    await connection.closed;
    await guarded.door.close({ graceMs: 100 });
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
