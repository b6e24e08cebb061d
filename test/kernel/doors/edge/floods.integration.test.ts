import { constants } from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterEach, describe, expect, it } from '@jest/globals';
import { EchoRequestSchema } from '../../../gen/conformance/v1/conformance_pb.js';
import { eventually } from '../../../support/eventually.ts';
import { GUARDED, type GuardedDoor, guardedDoor } from '../../../support/guarded-doors.ts';
import { data, FLAG, FRAME, frameOf, headers, ping, type RawConnection, reset, settings } from '../../../support/raw-frames.ts';
import { frame } from '../../../support/raw-http2.ts';

const ECHO = '/conformance.v1.CommandService/Echo';
const GRPC = { ':path': ECHO, 'content-type': 'application/grpc', te: 'trailers' };
const message = (text: string, delayMs = 0): Buffer =>
  frame(toBinary(EchoRequestSchema, create(EchoRequestSchema, { text, delayMs })));

let guarded: GuardedDoor;
afterEach(async () => guarded[Symbol.asyncDispose]());

/** Sends what `next` makes until the other side has had enough, `most` times at most; answers how often that was. */
async function flood(
  next: (index: number) => Uint8Array,
  { most, begin = () => {} }: { most: number; begin?: (connection: RawConnection) => void },
): Promise<{ sent: number; goaways: readonly number[] }> {
  await using connection = await guarded.connectHttp2();
  begin(connection);
  const isOver = (): boolean => connection.goaways.length > 0 || !connection.socket.writable;
  let sent = 0;
  for (; sent < most && !isOver(); sent += 1) {
    connection.send(next(sent));
    if (sent % 50 === 49) await new Promise((resolve) => setImmediate(resolve));
    await connection.flush();
  }
  await eventually(() => expect(isOver()).toBe(true));
  return { sent, goaways: connection.goaways };
}

const idOf = (index: number): number => 2 * index + 1;

/** Calls that are taken back as soon as they are made. */
const TAKEN_BACK = {
  'before their message': (id: number) => [headers(id, GRPC)],
  'after a message that takes its time': (id: number) => [headers(id, GRPC), data(id, message('slow', 60_000), FLAG.endStream)],
  'after a message that the door refuses at once': (id: number) => [headers(id, GRPC), data(id, frame(Buffer.alloc(100)))],
};

describe.each(GUARDED)('%s sends away a caller that', (_, making) => {
  describe.each(Object.entries(TAKEN_BACK))('takes its calls back as fast as it makes them, %s', (__, call) => {
    it('and serves others meanwhile', async () => {
      guarded = await guardedDoor(making);
      const attack = () =>
        flood((index) => Buffer.concat([...call(idOf(index)), reset(idOf(index))]), {
          most: 20_000,
        });
      using caller = guarded.caller();
      await caller.client.echo({ text: 'before' });
      let attacks = 0;
      const attacker = (async () => {
        for (; attacks < 5; attacks += 1) {
          const { goaways } = await attack();
          expect(goaways[0]).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
        }
      })();
      let served = 0;
      for (; attacks < 5; served += 1)
        expect(await caller.client.echo({ text: `call ${served}` })).toMatchObject({ text: `call ${served}` });
      await attacker;
      expect(served).toBeGreaterThan(0);
      // Of each attack hundreds came in, and not thousands; of those that take their time nothing goes on.
      const slow = guarded.conformance.calls.length - served - 1;
      expect(slow).toBeLessThan(5 * 500);
      await eventually(() => expect(guarded.conformance.aborted.length).toBe(slow));
    });
  });

  it.each([
    ['settings', settings],
    ['pings', ping],
  ])('sends %s without an end', async (__, next) => {
    guarded = await guardedDoor(making);
    expect((await flood(next, { most: 20_000 })).goaways[0]).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });

  const open = (connection: RawConnection): void => connection.send(headers(1, GRPC));
  const begun = (connection: RawConnection): void => connection.send(headers(1, GRPC, 0));

  it.each([
    ['data of no bytes', open, () => data(1, Buffer.alloc(0))],
    ['continuations of no bytes', begun, () => frameOf(FRAME.continuation, { stream: 1 })],
    [
      'continuations of a header without an end',
      begun,
      () => headers(1, { 'x-more': 'x'.repeat(1000) }, 0).fill(FRAME.continuation, 3, 4),
    ],
  ])('sends %s', async (__, begin, next) => {
    guarded = await guardedDoor(making);
    const { sent } = await flood(next, { most: 200_000, begin });
    expect(sent).toBeLessThan(100_000);
    expect(guarded.conformance.calls).toEqual([]);
  });

  it.each([
    [
      'a window that is too large',
      (stream: number) => frameOf(FRAME.windowUpdate, { stream, payload: Buffer.from([0x7f, 0xff, 0xff, 0xff]) }),
    ],
    ['a window of nothing', (stream: number) => frameOf(FRAME.windowUpdate, { stream, payload: Buffer.alloc(4) })],
    ['a header after its end', (stream: number) => headers(stream, GRPC)],
    ['data after its end', (stream: number) => data(stream, Buffer.alloc(1))],
  ])('has the door take its calls back, by %s', async (__, wrong) => {
    guarded = await guardedDoor(making);
    const { sent } = await flood(
      (index) => Buffer.concat([headers(idOf(index), GRPC, FLAG.endHeaders | FLAG.endStream), wrong(idOf(index))]),
      { most: 20_000 },
    );
    expect(sent).toBeLessThan(4_000);
  });
});

it.each(GUARDED)('%s bears a caller that takes a hundred calls back at once', async (_, making) => {
  guarded = await guardedDoor(making);
  using caller = guarded.caller();
  const takeBack = new AbortController();
  const calls = Array.from({ length: 100 }, () =>
    caller.client.echo({ text: 'slow', delayMs: 60_000 }, { signal: takeBack.signal }).catch(() => 'taken back'),
  );
  await eventually(() => expect(guarded.conformance.calls).toHaveLength(100));
  takeBack.abort();
  expect(await Promise.all(calls)).toEqual(calls.map(() => 'taken back'));
  await eventually(() => expect(guarded.conformance.aborted).toHaveLength(100));
  expect(await caller.client.echo({ text: 'and goes on' })).toMatchObject({ text: 'and goes on' });
});
