import { Readable } from 'node:stream';
import { buffer as bufferOf } from 'node:stream/consumers';
import { createGzip } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { QueryService } from '../../gen/users/v1/query_service_pb.js';
import { refusalOf } from '../support/errors.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';
import { DOORS, type OpenDoors, openDoors } from './open-doors.ts';
import { connectOutcome, framed, pathOf } from './raw-calls.ts';

const path = pathOf(QueryService.method.getUser);
const MEGABYTE = 1024 * 1024;
const TOO_LARGE = Buffer.alloc(4 * MEGABYTE + 1);
/** What the bomb holds. */
const UNPACKED = 512 * MEGABYTE;

let app: TestApp;
let doors: OpenDoors;
let bomb: Buffer;

beforeAll(async () => {
  const zeros = Buffer.alloc(MEGABYTE);
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
  const metadata = { max_bytes: String(4 * MEGABYTE) };
  expect(await refusalOf(answer)).toMatchObject({ code: 'ResourceExhausted', reason: 'MESSAGE_TOO_LARGE', metadata });
  await answer.catch((error: unknown) => expect(String(error)).toContain('the request message is larger than 4194304 bytes'));
}

describe.each(DOORS)('over %s', (door) => {
  it('a message over 4 MiB is refused', async () => {
    await expectTooLarge(doors[door]({ path, body: TOO_LARGE }));
  });

  it('ten messages over 4 MiB at once are refused', async () => {
    await Promise.all(Array.from({ length: 10 }, () => expectTooLarge(doors[door]({ path, body: TOO_LARGE }))));
  });
});

describe('over HTTP/1.1', () => {
  it.each([
    ['of a length that is said', {}],
    ['of a length that is not said', { 'transfer-encoding': 'chunked' }],
  ])('a body over 4 MiB %s is refused', async (_, transfer) => {
    for (const type of ['application/json', 'application/proto']) {
      const answer = doors.http1.send({ path, headers: { 'content-type': type, ...transfer }, body: TOO_LARGE });
      await expectTooLarge(answer.then(connectOutcome));
    }
    expect((await doors.http1.send({ path: '/healthz', method: 'GET' })).status).toBe(200);
  });
});

describe('a gzip bomb', () => {
  it.each([
    ['gRPC', () => doors.frames({ path, headers: { 'grpc-encoding': 'gzip' }, body: framed(bomb, 1) })],
    ['Connect', () => doors.Connect({ path, headers: { 'content-encoding': 'gzip' }, body: bomb })],
    ['Connect in JSON', () => doors.json({ path, headers: { 'content-encoding': 'gzip' }, body: bomb })],
    [
      'HTTP/1.1',
      async () => {
        const headers = { 'content-type': 'application/proto', 'content-encoding': 'gzip' };
        return connectOutcome(await doors.http1.send({ path, headers, body: bomb }));
      },
    ],
  ])('over %s is refused without being unpacked', async (_, send) => {
    expect(bomb.length).toBeLessThan(4 * MEGABYTE);
    const peak = process.resourceUsage().maxRSS;
    await expectTooLarge(send());
    const grownBy = (process.resourceUsage().maxRSS - peak) * 1024;
    expect(grownBy).toBeLessThan(UNPACKED / 8);
  });
});
