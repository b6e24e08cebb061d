import { once } from 'node:events';
import { createServer as createHttp1Server, type OutgoingHttpHeaders, request } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo, Server, Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CallsInFlight } from '../../../../src/kernel/doors/calls-in-flight.ts';
import { createConnectDoor } from '../../../../src/kernel/doors/connect/door.ts';
import { requestGate } from '../../../../src/kernel/doors/connect/request-gate.ts';
import { addRpcs } from '../../../../src/kernel/doors/connect/rpc.ts';
import { COMPRESSIONS } from '../../../../src/kernel/doors/connect/unary-request.ts';
import { MessageLimits } from '../../../../src/kernel/doors/message-limits.ts';
import { DOCUMENT_HEADERS, SECURITY_HEADERS } from '../../../../src/kernel/doors/security-headers.ts';
import { AskRequestSchema, EchoRequestSchema } from '../../../gen/conformance/v1/conformance_pb.js';
import { conformanceService } from '../../../support/conformance-service.ts';
import { withSession } from '../../../support/raw-http2.ts';

const ECHO = '/conformance.v1.CommandService/Echo';
const ASK = '/conformance.v1.QueryService/Ask';
const MAX_BYTES = 100_000;

type Version = 'HTTP/1.1' | 'HTTP/2';

interface Asked {
  readonly path: string;
  readonly method: 'GET' | 'POST';
  readonly headers: OutgoingHttpHeaders;
  readonly body?: string | Uint8Array;
}

let stack: AsyncDisposableStack;

beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

async function openDoor(): Promise<number> {
  const { bus, unexpected } = conformanceService();
  const door = createConnectDoor({ bus, unexpected, maxMessageBytes: MAX_BYTES });
  stack.defer(() => door.close({ graceMs: 0 }));
  return await door.listen('127.0.0.1:0');
}

/** The same rpcs by Connect's own handlers, on a server of Node. */
async function openConnectAlone(version: Version): Promise<number> {
  const { bus, unexpected } = conformanceService();
  const messageLimits = new MessageLimits(bus, MAX_BYTES);
  const handler = connectNodeAdapter({
    routes: (router) => addRpcs(router, bus.values(), { inFlight: new CallsInFlight(), unexpected, messageLimits }),
    acceptCompression: COMPRESSIONS,
    jsonOptions: { ignoreUnknownFields: false },
    requestGate: requestGate({ messageLimits, unexpected }),
  });
  const server: Server = version === 'HTTP/2' ? createHttp2Server(handler) : createHttp1Server(handler);
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.defer(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  return (server.address() as AddressInfo).port;
}

async function ask(version: Version, port: number, { path, method, headers, body }: Asked) {
  if (version === 'HTTP/1.1') {
    const sent = request({ port, path, method, headers: { host: 'service', ...headers } });
    sent.end(body);
    const [response] = await once(sent, 'response');
    return said(response.statusCode, response.headers, await buffer(response));
  }
  return await withSession(port, async (session) => {
    const { 'transfer-encoding': _, ...others } = headers;
    const stream = session.request({ ':path': path, ':method': method, ':authority': 'service', ...others });
    stream.end(body);
    const [{ ':status': status, ...answered }] = await once(stream, 'response');
    return said(status, answered, await buffer(stream));
  });
}

/** Without what HTTP says itself. */
function said(status: number, headers: Readonly<Record<string, unknown>>, body: Buffer) {
  const { date, connection, 'keep-alive': _, 'transfer-encoding': __, ...others } = headers;
  return { status, headers: others, body: body.toString('latin1') };
}

const json = (body: string | Uint8Array, headers: OutgoingHttpHeaders = {}): Asked => ({
  path: ECHO,
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body,
});
const proto = (body: Uint8Array, headers: OutgoingHttpHeaders = {}): Asked => ({
  path: ECHO,
  method: 'POST',
  headers: { 'content-type': 'application/proto', ...headers },
  body,
});
const get = (params: Record<string, string>, headers: OutgoingHttpHeaders = {}): Asked => ({
  path: `${ASK}?${new URLSearchParams({ connect: 'v1', ...params })}`,
  method: 'GET',
  headers,
});
const echo = toBinary(EchoRequestSchema, create(EchoRequestSchema, { text: 'ä', payload: Uint8Array.of(0, 255) }));
const question = toBinary(AskRequestSchema, create(AskRequestSchema, { text: 'wh/y+?' }));
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
const long = 'long '.repeat(1000);

describe.each<Version>(['HTTP/1.1', 'HTTP/2'])('a unary call over %s is answered as by Connect alone:', (version) => {
  it.each<[string, Asked]>([
    ['JSON', json('{"text":"ä"}')],
    ['JSON in chunks', json('{"text":"a"}', { 'transfer-encoding': 'chunked' })],
    ['binary', proto(echo)],
    ['an empty message', proto(new Uint8Array(), { 'content-length': 0 })],
    ['metadata', json('{}', { 'echo-one': 'a', 'trail-two': 'b', 'echo-list': 'a, b' })],
    ['a request in gzip', proto(gzipSync(echo), { 'content-encoding': 'gzip' })],
    ['a request in brotli', proto(brotliCompressSync(echo), { 'content-encoding': 'br' })],
    ['a request in no compression, by name', proto(echo, { 'content-encoding': 'identity' })],
    ['a short answer to one who takes gzip', json('{"text":"short"}', { 'accept-encoding': 'gzip' })],
    ['a long answer to one who takes gzip', json(JSON.stringify({ text: long }), { 'accept-encoding': 'deflate, gzip, br' })],
    ['a long answer to one who takes brotli', json(JSON.stringify({ text: long }), { 'accept-encoding': 'br' })],
    ['a long answer to one who sends gzip', proto(gzipSync(Buffer.concat([echo, echo])), { 'content-encoding': 'gzip' })],
    ['a long answer to one who takes neither', json(JSON.stringify({ text: long.repeat(10) }), { 'accept-encoding': 'zstd' })],
    ['a compression that is unknown', json('{}', { 'content-encoding': 'zstd' })],
    ['a compression that is broken', proto(echo, { 'content-encoding': 'gzip' })],
    ['gzip that is too large', proto(gzipSync(Buffer.alloc(MAX_BYTES + 1)), { 'content-encoding': 'gzip' })],
    ['a message that is too large', json(`{"text":"${'x'.repeat(MAX_BYTES)}"}`)],
    ['a message in chunks that is too large', json(`{"text":"${'x'.repeat(MAX_BYTES)}"}`, { 'transfer-encoding': 'chunked' })],
    ['a message that is none', proto(Uint8Array.of(255, 255))],
    ['an unknown field', json('{"txt":"y"}')],
    ['broken JSON', json('{"text":')],
    ['no body', json('', { 'content-length': 0 })],
    ['a timeout that is none', json('{}', { 'connect-timeout-ms': 'soon' })],
    ['a timeout that has passed', json('{}', { 'connect-timeout-ms': '0' })],
    ['a timeout', get({ encoding: 'json', message: '{"delayMs":60000}' }, { 'connect-timeout-ms': '50' })],
    ['a failure', json('{"failWith":"not-found"}')],
    ['a failure in binary', proto(toBinary(EchoRequestSchema, create(EchoRequestSchema, { failWith: 'precondition' })))],
    ['a failure that says when to come back', json('{"failWith":"overloaded"}')],
    ['a failure of a query', get({ encoding: 'json', message: '{"failWith":"denied"}' })],
    ['a failure to one who takes gzip', json('{"failWith":"conflict"}', { 'accept-encoding': 'gzip' })],
    ['a bug', json('{"failWith":"bug"}')],
    ['GET in JSON', get({ encoding: 'json', message: '{"text":"a b+c%d?#ü"}' })],
    ['GET in base64', get({ encoding: 'proto', base64: '1', message: base64(question) })],
    ['GET in padded base64', get({ encoding: 'proto', base64: '1', message: Buffer.from(question).toString('base64') })],
    ['GET in gzip', get({ encoding: 'proto', base64: '1', compression: 'gzip', message: base64(gzipSync(question)) })],
    ['GET with a content type', get({ encoding: 'json', message: '{}' }, { 'content-type': 'application/json' })],
    ['GET with a compression that is unknown', get({ encoding: 'json', compression: 'zstd', message: '{}' })],
    ['GET of a long answer', get({ encoding: 'json', message: JSON.stringify({ text: long }) }, { 'accept-encoding': 'gzip' })],
    ['GET without a message', get({ encoding: 'json' })],
    ['GET of a message that is none', get({ encoding: 'proto', base64: '1', message: '_____w' })],
  ])('%s', async (_, asked) => {
    const alone = await ask(version, await openConnectAlone(version), asked);
    const ours = await ask(version, await openDoor(), asked);
    const toBrowsers = { ...SECURITY_HEADERS, ...(asked.method === 'GET' && DOCUMENT_HEADERS) };
    expect(ours).toEqual({ ...alone, headers: { ...toBrowsers, ...alone.headers } });
  });
});
