import { once } from 'node:events';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createConnectDoor } from '../../../src/kernel/doors/connect/door.ts';
import { conformanceService } from '../../support/conformance-service.ts';
import { BOMB, noise, throwBytes } from '../../support/hostile-bytes.ts';
import { frame } from '../../support/raw-http2.ts';

const ECHO = '/conformance.v1.CommandService/Echo';

const conformance = conformanceService();
const door = createConnectDoor(conformance);
let port = 0;
const crashes: unknown[] = [];
const noteCrash = (error: unknown): number => crashes.push(error);

beforeAll(async () => {
  port = await door.listen('127.0.0.1:0');
  process.on('uncaughtException', noteCrash).on('unhandledRejection', noteCrash);
});
afterAll(async () => {
  process.off('uncaughtException', noteCrash).off('unhandledRejection', noteCrash);
  await door.close({ graceMs: 0 });
});
beforeEach(() => {
  for (const list of [crashes, conformance.reported, conformance.calls]) list.length = 0;
});

describe('HTTP/1.1 at the connect door', () => {
  const json = 'Content-Type: application/json\r\n';

  afterEach(async () => {
    const response = await fetch(`http://127.0.0.1:${port}${ECHO}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"text":"good"}',
    });
    expect(await response.json()).toMatchObject({ text: 'good' });
    expect(crashes).toEqual([]);
    expect(conformance.reported).toEqual([]);
  });

  const send = (text: string) => throwBytes(port, text);

  it.each([
    ['no host', `POST ${ECHO} HTTP/1.1\r\n${json}Content-Length: 2\r\n\r\n{}`, 400],
    ['HTTP/1.0 without a host', `POST ${ECHO} HTTP/1.0\r\n${json}Content-Length: 2\r\n\r\n{}`, 400],
    ['a host that is none', `POST ${ECHO} HTTP/1.1\r\nHost: [\r\n${json}Content-Length: 2\r\n\r\n{}`, 400],
    ['a host with a space', `POST ${ECHO} HTTP/1.1\r\nHost: a b\r\n${json}Content-Length: 2\r\n\r\n{}`, 400],
    ['a request line that is none', 'HELO example.org\r\n\r\n', 400],
    ['two content lengths', `POST ${ECHO} HTTP/1.1\r\nHost: x\r\n${json}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`, 400],
    ['a chunk of no size', `POST ${ECHO} HTTP/1.1\r\nHost: x\r\n${json}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`, 400],
    ['a URL of 100 KB', `GET /${'x'.repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
    ['a header of 100 KB', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`, 431],
    ['ten thousand headers', `GET / HTTP/1.1\r\nHost: x\r\n${'X-Y: z\r\n'.repeat(10_000)}\r\n`, 431],
    [
      'a timeout that is none',
      `POST ${ECHO} HTTP/1.1\r\nHost: x\r\n${json}Connect-Timeout-Ms: soon\r\nContent-Length: 2\r\n\r\n{}`,
      400,
    ],
    ['a content type that is none', `POST ${ECHO} HTTP/1.1\r\nHost: x\r\nContent-Type: \x01\r\nContent-Length: 2\r\n\r\n{}`, 400],
    [
      'an encoding that it does not know',
      `POST ${ECHO} HTTP/1.1\r\nHost: x\r\n${json}Content-Encoding: zip\r\nContent-Length: 2\r\n\r\n{}`,
      501,
    ],
    [
      'gzip that is none',
      `POST ${ECHO} HTTP/1.1\r\nHost: x\r\n${json}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}`,
      400,
    ],
    ['an unknown path with a bad escape', 'GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n', 404],
    ['two hosts', `POST ${ECHO} HTTP/1.1\r\nHost: x\r\nHost: x\r\n${json}Content-Length: 2\r\n\r\n{}`, 400],
    [
      'two hosts in gRPC-Web',
      `POST ${ECHO} HTTP/1.1\r\nHOST: x\r\nHost: y\r\nContent-Type: application/grpc-web\r\nContent-Length: 0\r\n\r\n`,
      400,
    ],
    ['a URL of nothing', 'GET http://other/nothing HTTP/1.1\r\nHost: x\r\n\r\n', 404],
    ['a URL of somebody', `POST http://ada@other${ECHO} HTTP/1.1\r\nHost: x\r\n${json}Content-Length: 2\r\n\r\n{}`, 404],
    ['a URL of another kind', `POST ftp://other${ECHO} HTTP/1.1\r\nHost: x\r\n${json}Content-Length: 2\r\n\r\n{}`, 404],
    ['a path that is a URL without a host', 'GET http://other/healthz HTTP/1.1\r\n\r\n', 400],
  ])('refuses %s', async (_, request, status) => {
    expect(await send(request)).toMatch(new RegExp(`^HTTP/1\\.[01] ${status} `));
    expect(conformance.calls).toEqual([]);
  });

  it.each(['http://other', 'HTTPS://other:8080'])('takes a URL as the target, as it must (RFC 9112, 3.2.2): %s', async (at) => {
    const call = `POST ${at}${ECHO}?x HTTP/1.1\r\nHost: x\r\n${json}Content-Length: 2\r\n\r\n{}`;
    expect(await send(call)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('executes nothing of a body that ends too early', async () => {
    await send(`POST ${ECHO} HTTP/1.1\r\nHost: x\r\n${json}Content-Length: 100\r\n\r\n{"text":`);
    expect(conformance.calls).toEqual([]);
  });

  it('answers a caller that reads only when it has sent all of its huge header', async () => {
    const socket = connectTcp(port, '127.0.0.1');
    socket.on('error', () => undefined).pause();
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n');
    for (let sent = 0; sent < 20; sent += 1) {
      socket.write(`X: ${'x'.repeat(10_000)}\r\n`);
      await sleep(5);
    }
    const received: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => received.push(chunk)).resume();
    await new Promise((resolve) => socket.once('close', resolve));
    expect(Buffer.concat(received).toString()).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('answers a caller that keeps sending more than it may', async () => {
    const request = requestHttp({
      port,
      method: 'POST',
      path: ECHO,
      headers: { 'content-type': 'application/proto' },
    });
    request.on('error', () => undefined);
    const sending = setInterval(() => request.write(Buffer.alloc(1024 * 1024)), 5);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    expect(response.statusCode).toBe(429);
    expect((await Array.fromAsync(response)).join('')).toContain('MESSAGE_TOO_LARGE');
    clearInterval(sending);
    request.destroy();
  });

  it('refuses a gzip bomb without unpacking it', async () => {
    const headers = { 'content-type': 'application/proto', 'content-encoding': 'gzip' };
    const response = await fetch(`http://127.0.0.1:${port}${ECHO}`, { method: 'POST', headers, body: BOMB });
    expect([response.status, await response.json()]).toMatchObject([429, { code: 'resource_exhausted' }]);
  });

  it.each([
    ['Connect', 'application/connect+proto', 0],
    ['gRPC-Web', 'application/grpc-web+proto', 0],
  ])('ends a %s stream of noise with a typed error', async (_, type) => {
    const path = '/conformance.v1.QueryService/Count';
    const headers = { 'content-type': type };
    const init = { method: 'POST', headers, body: frame(noise(100)) as Uint8Array<ArrayBuffer> };
    const text = await (await fetch(`http://127.0.0.1:${port}${path}`, init)).text();
    expect(text).toMatch(/"code":"invalid_argument"|grpc-status: 3/);
    expect(text).toMatch(/google\.rpc\.ErrorInfo|grpc-status-details-bin/);
  });
});
