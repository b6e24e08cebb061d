import { once } from 'node:events';
import { constants } from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterEach, describe, expect, it } from '@jest/globals';
import { UnfinishedRequests } from '../../../../src/kernel/doors/edge/unfinished-requests.ts';
import { EchoRequestSchema } from '../../../gen/conformance/v1/conformance_pb.js';
import { eventually } from '../../../support/eventually.ts';
import { GUARDED, type GuardedDoor, guardedDoor } from '../../../support/guarded-doors.ts';
import { FOREVER } from '../../../support/patience.ts';
import { data, FLAG, FRAME, headers, reset } from '../../../support/raw-frames.ts';
import { frame, openCall, withSession } from '../../../support/raw-http2.ts';

const ECHO = '/conformance.v1.CommandService/Echo';
const GRPC = { ':path': ECHO, 'content-type': 'application/grpc', te: 'trailers' };
const GOOD = frame(toBinary(EchoRequestSchema, create(EchoRequestSchema, { text: 'good' })));
/** What an unfinished call counts for at the beginning, here where the contract bounds no message. */
const A_CALL = 80 * 1024;
const PLACES = 10;
const limits = { requestMs: FOREVER };

let guarded: GuardedDoor;
afterEach(async () => guarded[Symbol.asyncDispose]());

describe.each(GUARDED.filter(([, { secure }]) => !secure))('%s', (_, making) => {
  it('refuses calls that are begun beyond what unfinished requests may take, from all connections together', async () => {
    const unfinished = new UnfinishedRequests(PLACES * A_CALL);
    guarded = await guardedDoor(making, { limits, unfinished });
    await using one = await guarded.connectHttp2();
    await using another = await guarded.connectHttp2();
    for (let place = 0; place < PLACES; place += 1) (place % 2 ? one : another).send(headers(2 * place + 1, GRPC));
    await eventually(() => expect(unfinished.bytes).toBe(PLACES * A_CALL));
    one.send(headers(101, GRPC));
    await eventually(() => expect(one.framesOf(FRAME.reset)).toHaveLength(1));
    const [refused] = one.framesOf(FRAME.reset);
    expect([refused?.stream, refused?.payload.readUInt32BE()]).toEqual([101, constants.NGHTTP2_REFUSED_STREAM]);
    expect(another.framesOf(FRAME.reset)).toEqual([]);

    // One that is whole counts no more, nor does one that is taken back, nor those of a connection that breaks.
    another.send(data(1, GOOD, FLAG.endStream));
    await eventually(() => expect(guarded.conformance.calls).toHaveLength(1));
    expect(unfinished.bytes).toBe((PLACES - 1) * A_CALL);
    one.send(reset(3));
    await eventually(() => expect(unfinished.bytes).toBe((PLACES - 2) * A_CALL));
    one.send(headers(103, GRPC), data(103, GOOD, FLAG.endStream));
    await eventually(() => expect(guarded.conformance.calls).toHaveLength(2));
    one.socket.destroy();
    another.socket.destroy();
    await eventually(() => expect(unfinished.bytes).toBe(0));
  });

  it('takes a call that comes whole, however full it is', async () => {
    const unfinished = new UnfinishedRequests(A_CALL);
    guarded = await guardedDoor(making, { limits, unfinished });
    await using connection = await guarded.connectHttp2();
    connection.send(headers(1, GRPC));
    await eventually(() => expect(unfinished.bytes).toBe(A_CALL));
    connection.send(headers(3, { ...GRPC, ':path': '/nothing' }, FLAG.endHeaders | FLAG.endStream));
    await eventually(() => expect(connection.framesOf(FRAME.headers).map(({ stream }) => stream)).toContain(3));
    expect(connection.framesOf(FRAME.reset).filter(({ payload }) => payload.readUInt32BE() !== 0)).toEqual([]);
  });

  it('counts what comes of large requests, and ends the one for which there is no room', async () => {
    const unfinished = new UnfinishedRequests(1024 * 1024);
    guarded = await guardedDoor(making, { limits, unfinished });
    await withSession(guarded.port, async (session) => {
      const stream = openCall(session, ECHO);
      const ended = new Promise((resolve) => stream.once('close', resolve));
      const head = Buffer.from([0, 0, 0x3f, 0xff, 0xff]);
      stream.write(head);
      for (let sent = 0; sent < 40 && !stream.closed; sent += 1) {
        if (!stream.write(Buffer.alloc(100_000)))
          await Promise.race([new Promise((resolve) => stream.once('drain', resolve)), ended]);
      }
      await ended;
      expect(stream.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      await eventually(() => expect(unfinished.bytes).toBe(0));
      const good = openCall(session, ECHO);
      good.end(GOOD);
      await once(good.resume(), 'close');
      expect(guarded.conformance.calls).toHaveLength(1);
    });
  });
});
