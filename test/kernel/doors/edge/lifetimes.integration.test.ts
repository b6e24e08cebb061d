import { constants } from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterEach, describe, expect, it } from '@jest/globals';
import { EDGE_LIMITS } from '../../../../src/kernel/doors/edge/edge-limits.ts';
import { UnfinishedRequests } from '../../../../src/kernel/doors/edge/unfinished-requests.ts';
import { EchoRequestSchema } from '../../../gen/conformance/v1/conformance_pb.js';
import { eventually } from '../../../support/eventually.ts';
import { GUARDED, type GuardedDoor, guardedDoor } from '../../../support/guarded-doors.ts';
import { FOREVER } from '../../../support/patience.ts';
import { data, FLAG, FRAME, frameOf, headers, RawConnection } from '../../../support/raw-frames.ts';
import { frame } from '../../../support/raw-http2.ts';

const ECHO = '/conformance.v1.CommandService/Echo';
const GRPC = { ':path': ECHO, 'content-type': 'application/grpc', te: 'trailers' };
const message = (text: string): Buffer => frame(toBinary(EchoRequestSchema, create(EchoRequestSchema, { text })));
const JSON_CALL = (body: string) =>
  `POST ${ECHO} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

let guarded: GuardedDoor;
afterEach(async () => guarded[Symbol.asyncDispose]());

const unfinished = new UnfinishedRequests(EDGE_LIMITS.unfinishedBytes);

/** A connection with a call that has begun, and what ends its request. */
async function withCall(): Promise<{ connection: RawConnection; finish: () => void }> {
  for (;;) {
    const connection = await guarded.connectHttp2();
    connection.send(headers(1, GRPC));
    await eventually(() => expect(unfinished.bytes > 0 || connection.socket.destroyed).toBe(true));
    // Its time can be over before it begins where the machine is slow.
    if (connection.socket.destroyed || connection.goaways.length > 0) continue;
    return { connection, finish: () => connection.send(data(1, message('in time'), FLAG.endStream)) };
  }
}

const statusesOf = (connection: RawConnection): number =>
  connection.framesOf(FRAME.headers).filter(({ stream, flags }) => stream === 1 && (flags & FLAG.endStream) !== 0).length;

describe.each(GUARDED)('%s', (_, making) => {
  it('tells a connection over HTTP/2 that it is old, takes calls meanwhile, and lets them end', async () => {
    guarded = await guardedDoor(making, { limits: { ageMs: 1000, requestMs: FOREVER, ageGraceMs: FOREVER }, unfinished });
    const { connection, finish } = await withCall();
    await using _ = connection;
    await eventually(() => expect(connection.goaways).toEqual([constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_NO_ERROR]));
    expect(connection.socket.destroyed).toBe(false);
    finish();
    await connection.closed;
    expect(statusesOf(connection)).toBe(1);
    expect(connection.framesOf(FRAME.reset)).toEqual([]);
  });

  it('cuts what is still open when the grace of an old connection is over', async () => {
    guarded = await guardedDoor(making, { limits: { ageMs: 1000, requestMs: FOREVER, ageGraceMs: 100 }, unfinished });
    const { connection } = await withCall();
    await using _ = connection;
    await connection.closed;
    expect(connection.goaways[0]).toBe(constants.NGHTTP2_NO_ERROR);
    expect(statusesOf(connection)).toBe(0);
  });

  it('closes a connection over HTTP/2 that has no call, and none that has', async () => {
    guarded = await guardedDoor(making, { limits: { idleMs: 500, requestMs: FOREVER }, unfinished });
    const { connection, finish } = await withCall();
    await using _ = connection;
    await using idle = await guarded.connectHttp2();
    await idle.closed;
    expect(idle.goaways).toContain(constants.NGHTTP2_NO_ERROR);
    expect([connection.socket.destroyed, connection.goaways]).toEqual([false, []]);
    finish();
    await connection.closed;
    expect(statusesOf(connection)).toBe(1);
  });

  it('gives up an answer over HTTP/2 that its caller does not take, and goes on with the connection', async () => {
    guarded = await guardedDoor(making, { limits: { answerMs: 200 } });
    await using connection = await guarded.connectHttp2();
    // Streams of this caller have no window (RFC 9113, 6.5.2).
    connection.send(frameOf(FRAME.settings, { payload: Buffer.from([0, 4, 0, 0, 0, 0]) }));
    connection.send(headers(1, GRPC), data(1, message('never read'), FLAG.endStream));
    await eventually(() => expect(connection.framesOf(FRAME.reset).map(({ stream }) => stream)).toEqual([1]));
    expect(connection.framesOf(FRAME.reset)[0]?.payload.readUInt32BE()).toBe(constants.NGHTTP2_CANCEL);
    connection.send(headers(3, GRPC), data(3, message('goes on'), FLAG.endStream));
    await eventually(() => expect(guarded.conformance.calls).toHaveLength(2));
  });

  it('closes though a caller neither reads nor hangs up: the end of a connection has its time too', async () => {
    guarded = await guardedDoor(making, { limits: { answerMs: 200 } });
    await using connection = await guarded.connectHttp2();
    connection.socket.pause();
    for (let id = 1; id < 40; id += 2) connection.send(headers(id, GRPC), data(id, message('x'.repeat(3000)), FLAG.endStream));
    await eventually(() => expect(guarded.conformance.calls).toHaveLength(20));
    await guarded.door.close({ graceMs: FOREVER });
  });
});

describe.each([
  ['clear text', GUARDED[2][1]],
  ['TLS', GUARDED[3][1]],
] as const)('HTTP/1.1 in %s', (_, making) => {
  const connect = () => RawConnection.open(guarded.port, guarded.tls && { ...guarded.tls, ALPNProtocols: ['http/1.1'] });

  it('says with an answer that the connection is old, and closes it', async () => {
    guarded = await guardedDoor(making, { limits: { ageMs: 200 } });
    await using connection = await connect();
    await eventually(async () => {
      if (connection.socket.writable) connection.send(JSON_CALL('{}'));
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(connection.text).toMatch(/connection: close/i);
    });
    await connection.closed;
    // Every answer is whole, the last too.
    const answers = connection.text.split(/(?=HTTP\/1\.1 )/);
    expect(answers.at(-1)).toMatch(/^HTTP\/1\.1 200 .*connection: close.*\}$/is);
    for (const answer of answers.slice(0, -1)) expect(answer).toMatch(/^HTTP\/1\.1 200 .*connection: keep-alive.*\}$/is);
  });

  it('closes a connection without a call, and none with one', async () => {
    guarded = await guardedDoor(making, { limits: { idleMs: 100 } });
    await using idle = await connect();
    await using busy = await connect();
    idle.send(JSON_CALL('{}'));
    busy.send(JSON_CALL('{"delayMs":1500}'));
    await idle.closed;
    expect(idle.text).toMatch(/^HTTP\/1\.1 200 .*\}$/is);
    await busy.closed;
    expect(busy.text).toMatch(/^HTTP\/1\.1 200 .*\}$/is);
  });

  it('closes though a caller reads nothing that it sends', async () => {
    guarded = await guardedDoor(making, { limits: { answerMs: 200 } });
    await using connection = await connect();
    connection.socket.pause();
    // More than the buffers between take.
    const body = JSON.stringify({ text: 'x'.repeat(4_000_000) });
    for (let call = 0; call < 4; call += 1) connection.send(JSON_CALL(body));
    await eventually(() => expect(guarded.conformance.calls.length).toBeGreaterThan(0));
    await guarded.door.close({ graceMs: FOREVER });
  });
});
