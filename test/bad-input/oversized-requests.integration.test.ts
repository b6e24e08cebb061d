import { Readable } from 'node:stream';
import { buffer as bufferOf } from 'node:stream/consumers';
import { createGzip, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { QueryService } from '../../gen/users/v1/query_service_pb.js';
import { largestRequest } from '../../src/kernel/bus/message-size.ts';
import { refusalOf } from '../support/errors.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';
import { DOORS, type OpenDoors, openDoors } from './open-doors.ts';
import { connectOutcome, framed, pathOf } from './raw-calls.ts';

const path = pathOf(QueryService.method.getUser);
const MEGABYTE = 1024 * 1024;
/** The most that the contract of GetUser allows. */
const LIMIT = largestRequest(QueryService.method.getUser);
const TOO_LARGE = Buffer.alloc(LIMIT + 1);
const FAR_TOO_LARGE = Buffer.alloc(5 * MEGABYTE);
/** What the bomb holds. */
const UNPACKED = 512 * MEGABYTE;
/** What the bomb holds that is itself no larger than a message may be. */
const UNPACKED_SMALL = 8 * MEGABYTE;

let app: TestApp;
let doors: OpenDoors;
let bomb: Buffer;
let smallBomb: Buffer;

beforeAll(async () => {
  const zeros = Buffer.alloc(MEGABYTE);
  smallBomb = gzipSync(Buffer.alloc(UNPACKED_SMALL), { level: 9 });
  bomb = await bufferOf(Readable.from(Array(UNPACKED / MEGABYTE).fill(zeros)).pipe(createGzip({ level: 1 })));
  app = await startTestApp();
  doors = openDoors(app.app);
});
afterAll(async () => {
  expect(app.log()).not.toContain('unexpected error');
  doors.close();
  await app.stop();
});

/** The next calls on the same connections come as far as any. */
afterEach(async () => {
  for (const door of DOORS) {
    expect(await refusalOf(doors[door]({ path, body: Buffer.alloc(0) }))).toMatchObject({ reason: 'TOKEN_MISSING' });
  }
});

async function expectTooLarge(answer: Promise<unknown>): Promise<void> {
  const metadata = { max_bytes: String(LIMIT) };
  expect(await refusalOf(answer)).toMatchObject({ code: 'ResourceExhausted', reason: 'MESSAGE_TOO_LARGE', metadata });
  await answer.catch((error: unknown) => expect(String(error)).toContain(`the request message is larger than ${LIMIT} bytes`));
}

describe.each(DOORS)('over %s', (door) => {
  it.each([
    ['one byte', TOO_LARGE],
    ['megabytes', FAR_TOO_LARGE],
  ])('a message that is larger by %s than its contract allows is refused', async (_, body) => {
    await expectTooLarge(doors[door]({ path, body }));
  });

  it('ten messages that are too large are refused at once', async () => {
    await Promise.all(Array.from({ length: 10 }, () => expectTooLarge(doors[door]({ path, body: FAR_TOO_LARGE }))));
  });
});

describe('over HTTP/1.1', () => {
  it.each([
    ['of a length that is said', {}],
    ['of a length that is not said', { 'transfer-encoding': 'chunked' }],
  ])('a body that is too large, %s, is refused', async (_, transfer) => {
    for (const type of ['application/json', 'application/proto']) {
      const answer = doors.http1.send({ path, headers: { 'content-type': type, ...transfer }, body: FAR_TOO_LARGE });
      await expectTooLarge(answer.then(connectOutcome));
    }
    expect((await doors.http1.send({ path: '/healthz', method: 'GET' })).status).toBe(200);
  });
});

describe('a gzip bomb', () => {
  it.each([
    ['gRPC', (bytes: Buffer) => doors.frames({ path, headers: { 'grpc-encoding': 'gzip' }, body: framed(bytes, 1) })],
    ['Connect', (bytes: Buffer) => doors.Connect({ path, headers: { 'content-encoding': 'gzip' }, body: bytes })],
    ['Connect in JSON', (bytes: Buffer) => doors.json({ path, headers: { 'content-encoding': 'gzip' }, body: bytes })],
    [
      'HTTP/1.1',
      async (bytes: Buffer) => {
        const headers = { 'content-type': 'application/proto', 'content-encoding': 'gzip' };
        return connectOutcome(await doors.http1.send({ path, headers, body: bytes }));
      },
    ],
  ])('over %s is refused without being unpacked', async (_, send) => {
    expect(smallBomb.length).toBeLessThan(LIMIT);
    await expectTooLarge(send(smallBomb));
    const peak = process.resourceUsage().maxRSS;
    await expectTooLarge(send(bomb));
    const grownBy = (process.resourceUsage().maxRSS - peak) * 1024;
    expect(grownBy).toBeLessThan(UNPACKED / 8);
  });
});
