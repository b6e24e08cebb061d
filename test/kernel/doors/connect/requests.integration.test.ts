import { create, toJsonString } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { type ConnectDoorOptions, createConnectDoor } from '../../../../src/kernel/doors/connect/door.ts';
import type { Door } from '../../../../src/kernel/doors/door.ts';
import { AskRequestSchema } from '../../../gen/conformance/v1/conformance_pb.js';
import { type Conformance, conformanceService } from '../../../support/conformance-service.ts';
import { frame } from '../../../support/raw-http2.ts';

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

  it.each([
    ['overloaded', 429],
    ['unavailable', 503],
  ])('says by HTTP too when to come back (%s)', async (failWith, status) => {
    await open();
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ failWith }) };
    const response = await fetch(origin + ECHO, init);
    // Of 1.5 s.
    expect([response.status, response.headers.get('retry-after')]).toEqual([status, '2']);
    const web = await fetch(origin + ECHO, {
      ...init,
      headers: { 'content-type': 'application/grpc-web+json' },
      body: frame(Buffer.from(init.body)) as Buffer<ArrayBuffer>,
    });
    expect([await web.text(), web.headers.has('retry-after')]).toEqual([expect.stringMatching(/grpc-status: (8|14)/), false]);
  });

  it('says no time to come back when waiting does not help', async () => {
    await open();
    const response = await fetch(origin + ECHO, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"failWith":"conflict"}',
    });
    expect([response.status, response.headers.has('retry-after')]).toEqual([409, false]);
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
    expect(reasonIn((await response.json()) as ErrorBody)).toBe('HTTP_VERB_UNSUPPORTED');
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
