import { once } from 'node:events';
import { Agent, request as requestHttp } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { create, toBinary, toJsonString } from '@bufbuild/protobuf';
import { Code, type ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { AddressInUse, AddressInvalid } from '../../../src/transport/address.ts';
import { type ConnectDoorOptions, createConnectDoor } from '../../../src/transport/connect/door.ts';
import type { Door } from '../../../src/transport/door.ts';
import { AskRequestSchema, CommandService, CountRequestSchema, QueryService } from '../../gen/conformance/v1/conformance_pb.js';
import { certificates } from '../../support/certificates.ts';
import { type Conformance, conformanceService } from '../../support/conformance-service.ts';
import { eventually } from '../../support/eventually.ts';
import { frame, openCall, withSession } from '../../support/raw-http2.ts';

const ECHO = '/conformance.v1.CommandService/Echo';
const ASK = '/conformance.v1.QueryService/Ask';

let conformance: Conformance;
let door: Door;
let origin: string;

beforeEach(() => {
  conformance = conformanceService();
});
afterEach(() => door.close({ graceMs: 0 }));

async function open(options: Partial<ConnectDoorOptions> = {}): Promise<number> {
  door = createConnectDoor({ bus: conformance.bus, unexpected: conformance.unexpected, ...options });
  const port = await door.listen('127.0.0.1:0');
  origin = `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  return port;
}

async function postJson(path: string, body: string | Uint8Array<ArrayBuffer>): Promise<{ status: number; body: ErrorBody }> {
  const response = await fetch(origin + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  return { status: response.status, body: (await response.json()) as ErrorBody };
}

interface ErrorBody {
  readonly code?: string;
  readonly message?: string;
  readonly details?: readonly { readonly type: string; readonly debug?: { readonly reason?: string } }[];
}
const reasonIn = ({ details }: ErrorBody) => details?.find(({ type }) => type === ErrorInfoSchema.typeName)?.debug?.reason;

const failure = (call: Promise<unknown>): Promise<ConnectError> =>
  call.then(
    () => {
      throw new Error('did not fail');
    },
    (error: ConnectError) => error,
  );

describe('listen', () => {
  it('says which address is in use', async () => {
    const port = await open();
    await expect(createConnectDoor(conformance).listen(`127.0.0.1:${port}`)).rejects.toThrow(AddressInUse);
  });

  it('refuses what is not an address', async () => {
    door = createConnectDoor(conformance);
    await expect(door.listen('8080')).rejects.toThrow(AddressInvalid);
  });
});

describe('JSON', () => {
  it('answers a command in plain JSON', async () => {
    await open();
    expect(await postJson(ECHO, '{"text":"curl"}')).toMatchObject({ status: 200, body: { text: 'curl' } });
    expect(conformance.calls[0]?.origin).toMatchObject({ door: 'connect', requestMethod: 'POST' });
    expect(conformance.calls[0]?.origin.peer).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  it.each([
    ['an unknown field', '{"text":"x","txt":"y"}'],
    ['a wrong type', '{"text":1}'],
    ['a number out of range', '{"delayMs":99999999999}'],
    ['broken JSON', '{"text":'],
    ['no JSON', ''],
    ['bad UTF-8', Uint8Array.of(0x7b, 0x22, 0x74, 0x65, 0x78, 0x74, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d)],
    ['deep nesting', `{"text":${'['.repeat(100_000)}`],
  ])('refuses %s', async (_, body) => {
    await open();
    const answer = await postJson(ECHO, body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_argument' } });
    expect(reasonIn(answer.body)).toBe('MALFORMED_REQUEST');
    expect(conformance.calls).toEqual([]);
  });

  it('refuses a body over the limit', async () => {
    await open({ maxMessageBytes: 1000 });
    const answer = await postJson(ECHO, JSON.stringify({ text: 'x'.repeat(1000) }));
    expect(answer).toMatchObject({ status: 429, body: { code: 'resource_exhausted' } });
    expect(reasonIn(answer.body)).toBe('MESSAGE_TOO_LARGE');
  });
});

describe('GET', () => {
  const query = (params: Record<string, string>) =>
    fetch(`${origin}${ASK}?${new URLSearchParams({ connect: 'v1', encoding: 'json', ...params })}`);

  it('answers a query that no cache may keep', async () => {
    await open();
    const message = toJsonString(AskRequestSchema, create(AskRequestSchema, { text: 'why?' }));
    const response = await query({ message });
    expect([response.status, await response.json()]).toEqual([200, { text: 'why?' }]);
    expect(response.headers.get('cache-control')).toBe('private, no-store');
    expect(conformance.calls[0]?.requestMethod).toBe('GET');
  });

  it('lets no cache keep an error', async () => {
    await open();
    const response = await query({ message: '{"text":"?","failWith":"not-found"}' });
    expect([response.status, response.headers.get('cache-control')]).toEqual([404, 'private, no-store']);
  });

  it.each([
    ['bad base64', { base64: '1', message: '%%%' }],
    ['broken JSON', { message: '{' }],
    ['a message that is none', { base64: '1', encoding: 'proto', message: '_____w' }],
    ['broken compression', { base64: '1', compression: 'gzip', message: 'AAAA' }],
  ])('refuses %s', async (_, params) => {
    await open();
    const response = await query(params);
    const body = (await response.json()) as ErrorBody;
    expect([response.status, body.code, reasonIn(body)]).toEqual([400, 'invalid_argument', 'MALFORMED_REQUEST']);
  });

  it('does not execute commands', async () => {
    await open();
    const response = await fetch(`${origin}${ECHO}?connect=v1&encoding=json&message={}`);
    expect(response.status).toBe(405);
    expect(conformance.calls).toEqual([]);
  });
});

describe('pages', () => {
  const routes = [
    { path: '/healthz', handle: () => ({ status: 200, body: { ok: true }, headers: { 'x-page': 'health' } }) },
    { path: '/broken', handle: () => Promise.reject(new Error('secret')) },
  ];

  it('serves a page', async () => {
    await open({ routes });
    const response = await fetch(`${origin}/healthz?verbose`);
    expect([response.status, await response.json()]).toEqual([200, { ok: true }]);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('x-page')).toBe('health');
    expect((await fetch(`${origin}/healthz`, { method: 'HEAD' })).status).toBe(200);
  });

  it('serves no page by POST', async () => {
    await open({ routes });
    const response = await fetch(`${origin}/healthz`, { method: 'POST' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  it('hides and reports what goes wrong in a page', async () => {
    await open({ routes });
    const response = await fetch(`${origin}/broken`);
    const text = await response.text();
    expect([response.status, text.includes('error-1'), text.includes('secret')]).toEqual([500, true, false]);
    expect(conformance.reported).toHaveLength(1);
  });

  it.each(['/', '/nothing', '/conformance.v1.CommandService/Nothing', '/__proto__'])('knows nothing at %s', async (path) => {
    await open({ routes });
    const { status, body } = await postJson(path, '{}');
    expect([status, body.code, reasonIn(body)]).toEqual([404, 'unimplemented', 'METHOD_UNKNOWN']);
  });
});

describe('one port', () => {
  it.each(['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'POST / HTTP/1.1\r\n', 'PR'])('waits for the rest of %j', async (beginning) => {
    const port = await open();
    const socket = connect(port, '127.0.0.1');
    const received: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    for (const byte of Buffer.from(beginning)) {
      socket.write(Uint8Array.of(byte));
      await sleep(1);
    }
    expect(socket.destroyed).toBe(false);
    if (beginning.startsWith('PRI')) socket.write(Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0));
    else socket.write(beginning === 'PR' ? 'OPFIND / HTTP/1.1\r\nhost: x\r\n\r\n' : 'host: x\r\n\r\n');
    await eventually(() => expect(received.length).toBeGreaterThan(0));
    const answer = Buffer.concat(received);
    if (beginning.startsWith('PRI')) expect(answer[3]).toBe(4);
    else expect(answer.toString()).toMatch(/^HTTP\/1\.1 404 /);
    socket.destroy();
  });

  it('serves several HTTP/1.1 calls on one connection', async () => {
    const port = await open();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<Socket>();
    for (const text of ['one', 'x'.repeat(100_000), 'three']) {
      const request = requestHttp({ port, agent, method: 'POST', path: ECHO, headers: { 'content-type': 'application/json' } });
      request.end(JSON.stringify({ text }));
      const [response] = await once(request, 'response');
      sockets.add(request.socket as Socket);
      expect(JSON.parse((await Array.fromAsync(response)).join(''))).toMatchObject({ text });
    }
    expect(sockets.size).toBe(1);
    agent.destroy();
  });
});

describe('streams', () => {
  it('makes no more of a stream than its slow reader takes', async () => {
    await withSession(await open(), async (session) => {
      const stream = openCall(session, '/conformance.v1.QueryService/Count');
      stream.end(frame(toBinary(CountRequestSchema, create(CountRequestSchema, { upTo: 1_000_000 }))));
      await once(stream, 'response');
      await sleep(1000);
      const { produced } = conformance;
      await sleep(300);
      expect(produced).toBeGreaterThan(100);
      expect(produced).toBeLessThan(50_000);
      expect(conformance.produced).toBe(produced);
    });
    await eventually(() => expect(conformance.aborted).toEqual(['CallCanceled']));
  });
});

describe('TLS', () => {
  it.each(['1.1', '2'] as const)('serves HTTP/%s to callers that trust its certificate', async (httpVersion) => {
    const { ca, server } = await certificates();
    await open({ tls: server });
    const trusting = createConnectTransport({ baseUrl: origin, httpVersion, nodeOptions: { ca } });
    expect((await createClient(CommandService, trusting).echo({ text: 'secret' })).text).toBe('secret');
    const doubting = createConnectTransport({ baseUrl: origin, httpVersion });
    await failure(createClient(CommandService, doubting).echo({}));
    expect(conformance.calls).toHaveLength(1);
  });

  it('serves gRPC', async () => {
    const { ca, server } = await certificates();
    await open({ tls: server });
    const transport = createGrpcTransport({ baseUrl: origin, nodeOptions: { ca } });
    expect(await Array.fromAsync(createClient(QueryService, transport).count({ upTo: 3 }))).toHaveLength(3);
  });

  it.each(['1.1', '2'] as const)('asks callers over HTTP/%s for a certificate of its CA', async (httpVersion) => {
    const { ca, server, client, stranger } = await certificates();
    await open({ tls: { ...server, clientCa: ca } });
    const caller = (nodeOptions: object) =>
      createClient(CommandService, createConnectTransport({ baseUrl: origin, httpVersion, nodeOptions }));
    expect((await caller({ ca, ...client }).echo({ text: 'mutual' })).text).toBe('mutual');
    for (const options of [{ ca }, { ca, ...stranger }]) await failure(caller(options).echo({}));
    expect(conformance.calls).toHaveLength(1);
  });
});

describe('close', () => {
  it.each(['1.1', '2'] as const)('lets calls over HTTP/%s finish and refuses new ones', async (httpVersion) => {
    await open();
    const transport = createConnectTransport({ baseUrl: origin, httpVersion });
    const unary = createClient(CommandService, transport).echo({ text: 'in time', delayMs: 300 });
    const stream = Array.fromAsync(createClient(QueryService, transport).count({ upTo: 5, delayMs: 60 }));
    await eventually(() => expect(conformance.calls).toHaveLength(2));
    const started = performance.now();
    const closed = door.close({ graceMs: 10_000 });
    await expect(fetch(`${origin}/healthz`)).rejects.toThrow();
    expect((await unary).text).toBe('in time');
    expect(await stream).toHaveLength(5);
    await closed;
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it.each(['1.1', '2'] as const)('ends calls over HTTP/%s that take longer than the grace, and says why', async (httpVersion) => {
    await open();
    const transport = createConnectTransport({ baseUrl: origin, httpVersion });
    const unary = failure(createClient(CommandService, transport).echo({ delayMs: 5000 }));
    const stream = failure(Array.fromAsync(createClient(QueryService, transport).count({ upTo: 1000, delayMs: 20 })));
    await eventually(() => expect(conformance.calls).toHaveLength(2));
    const started = performance.now();
    await door.close({ graceMs: 100 });
    expect(performance.now() - started).toBeLessThan(2000);
    for (const error of [await unary, await stream]) {
      expect([error.code, error.findDetails(ErrorInfoSchema)[0]?.reason]).toEqual([Code.Unavailable, 'SHUTTING_DOWN']);
    }
  });

  it.each([
    ['a silent connection', (port: number) => connect(port, '127.0.0.1')],
    ['an idle HTTP/2 connection', (port: number) => connectHttp2(`http://127.0.0.1:${port}`)],
  ])('does not wait for %s', async (_, dial) => {
    const opened = dial(await open());
    opened.on('error', () => undefined);
    await once(opened, 'connect');
    const started = performance.now();
    await door.close({ graceMs: 10_000 });
    expect(performance.now() - started).toBeLessThan(1000);
    opened.destroy();
  });
});
