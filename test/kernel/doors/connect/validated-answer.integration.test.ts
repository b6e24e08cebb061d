import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { validation } from '../../../../src/kernel/doors/connect/validated-answer.ts';

const BODY = Buffer.from('{"user":{}}');

let origin: string;
const server = createServer((request, response) => {
  response.setHeader('cache-control', 'private, no-store').setHeader('cqrs-served-by', 'replica').setHeader('x-other', '1');
  if (request.url === '/cors') response.setHeader('vary', 'Origin');
  const isKnown = validation(QueryService.method.getUser)?.({ request, response }, BODY);
  response.end(isKnown ? 'known' : 'new');
});

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
});

async function get(path: string, ifNoneMatch?: string) {
  const response = await fetch(origin + path, { headers: ifNoneMatch === undefined ? {} : { 'if-none-match': ifNoneMatch } });
  return { text: await response.text(), ...Object.fromEntries(response.headers) };
}

it('says who may keep the answer, and nothing that is about the one call', async () => {
  const answer = await get('/');
  expect(answer).toMatchObject({
    text: 'new',
    etag: expect.stringMatching(/^"[\w-]{22}"$/),
    'cache-control': 'no-cache',
    'x-accel-expires': '@1',
    vary: 'authorization, accept-encoding',
    'x-other': '1',
  });
  expect(answer).not.toHaveProperty('cqrs-served-by');
});

it('keeps what was said before to tell answers apart', async () => {
  expect(await get('/cors')).toMatchObject({ vary: 'authorization, accept-encoding, Origin' });
});

it('knows its answer by the tag', async () => {
  const { etag = '' } = (await get('/')) as { etag?: string };
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*'])
    expect(await get('/', known)).toMatchObject({ text: 'known' });
  for (const other of ['"other"', etag.replaceAll('"', ''), '']) expect(await get('/', other)).toMatchObject({ text: 'new' });
});

it('lets no answer be kept whose contract does not say so', () => {
  expect(validation(QueryService.method.listUsers)).toBeUndefined();
});
