import { cors } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseOrigins } from '../../../../src/kernel/doors/connect/cross-origin.ts';
import { createConnectDoor } from '../../../../src/kernel/doors/connect/door.ts';
import { conformanceService } from '../../../support/conformance-service.ts';

const ECHO = '/conformance.v1.CommandService/Echo';
const ASK = '/conformance.v1.QueryService/Ask';
const COUNT = '/conformance.v1.QueryService/Count';
const OURS = 'https://app.example.org';
const FOREIGN = 'https://evil.example.org';

const conformance = conformanceService();
const routes = [{ path: '/healthz', handle: () => ({ status: 200, body: {} }) }];
const door = createConnectDoor({ ...conformance, routes, corsOrigins: [OURS, 'http://localhost:3000'] });
const closed = createConnectDoor({ ...conformance, routes });
let at: string;
let closedAt: string;
beforeAll(async () => {
  at = `http://127.0.0.1:${await door.listen('127.0.0.1:0')}`;
  closedAt = `http://127.0.0.1:${await closed.listen('127.0.0.1:0')}`;
});
afterAll(() => Promise.all([door.close({ graceMs: 0 }), closed.close({ graceMs: 0 })]));

const preflight = (url: string, origin: string, method = 'POST') =>
  fetch(url, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': method } });
const listed = (response: Response, header: string): string[] =>
  (response.headers.get(header) ?? '').split(',').map((one) => one.trim().toLowerCase());
const corsHeaders = (response: Response): string[] =>
  [...response.headers.keys()].filter((name) => name.startsWith('access-control-'));

/** A call in each protocol that a browser speaks, one that is refused, and a page. */
const CALLS: [string, string, RequestInit & { headers?: Record<string, string> }, number][] = [
  ['Connect', ECHO, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }, 200],
  ['Connect GET', `${ASK}?connect=v1&encoding=json&message=%7B%22text%22%3A%22x%22%7D`, {}, 200],
  [
    'a Connect stream',
    COUNT,
    { method: 'POST', headers: { 'content-type': 'application/connect+json' }, body: frameOf('{"upTo":1}') },
    200,
  ],
  ['gRPC-Web', ECHO, { method: 'POST', headers: { 'content-type': 'application/grpc-web+proto' }, body: frameOf('') }, 200],
  ['an error', ECHO, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"failWith":"not-found"}' }, 404],
  ['what cannot be read', ECHO, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' }, 400],
  ['a content type that is not served', ECHO, { method: 'POST', headers: { 'content-type': 'text/plain' }, body: '{}' }, 415],
  [
    'an unknown method',
    '/nobody.v1.Service/Nothing',
    { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' },
    404,
  ],
  ['a page', '/healthz', {}, 200],
];

function frameOf(text: string): Uint8Array<ArrayBuffer> {
  const message = Buffer.from(text);
  return Uint8Array.of(0, 0, 0, 0, message.length, ...message);
}

describe('a page of an origin that is allowed', () => {
  it.each(CALLS)('can read the answer to %s', async (_, path, init, status) => {
    const response = await fetch(at + path, { ...init, headers: { ...init.headers, origin: OURS } });
    expect(response.status).toBe(status);
    expect(response.headers.get('access-control-allow-origin')).toBe(OURS);
    expect(response.headers.get('vary')).toBe('Origin');
    expect(response.headers.has('access-control-allow-credentials')).toBe(false);
    expect(listed(response, 'access-control-expose-headers')).toEqual(
      expect.arrayContaining([
        'grpc-status',
        'grpc-message',
        'grpc-status-details-bin',
        'cqrs-command-id',
        'cqrs-served-by',
        'retry-after',
      ]),
    );
  });

  it.each([
    ['POST', ECHO],
    ['GET', ASK],
    ['POST', '/nobody.v1.Service/Nothing'],
  ])('may ask whether it may %s %s', async (method, path) => {
    const before = conformance.calls.length;
    const response = await preflight(at + path, 'http://localhost:3000', method);
    expect([response.status, await response.text()]).toEqual([204, '']);
    expect(response.headers.get('access-control-allow-origin')).toBe('http://localhost:3000');
    expect(listed(response, 'access-control-allow-methods')).toEqual(['post', 'get']);
    expect(listed(response, 'access-control-allow-headers')).toEqual(
      expect.arrayContaining(
        [...cors.allowedHeaders, 'authorization', 'idempotency-key', 'cqrs-dry-run', 'cqrs-consistency', 'traceparent'].map(
          (name) => name.toLowerCase(),
        ),
      ),
    );
    expect(listed(response, 'vary')).toContain('origin');
    expect(conformance.calls).toHaveLength(before);
  });
});

describe('a page of another origin', () => {
  it.each([FOREIGN, 'null', `${OURS}.evil.test`, `${OURS}:8443`, 'http://app.example.org', 'https://APP.example.org'])(
    'learns nothing: %s',
    async (origin) => {
      const asked = await preflight(at + ECHO, origin);
      expect([asked.status, corsHeaders(asked)]).toEqual([405, []]);
      const response = await fetch(`${at}/healthz`, { headers: { origin } });
      expect([response.headers.get('vary'), corsHeaders(response)]).toEqual(['Origin', []]);
    },
  );

  it('learns nothing where no origin is allowed', async () => {
    for (const response of [
      await preflight(closedAt + ECHO, OURS),
      await fetch(`${closedAt}/healthz`, { headers: { origin: OURS } }),
    ]) {
      expect([corsHeaders(response), response.headers.has('vary')]).toEqual([[], false]);
    }
  });
});

describe('every answer', () => {
  it.each(CALLS)('tells browsers not to guess, and nobody to keep it: %s', async (_, path, init) => {
    const response = await fetch(closedAt + path, init);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('cache-control')).toMatch(/^(private, )?no-store$/);
    expect(response.headers.has('strict-transport-security')).toBe(false);
  });
});

describe('an answer that a browser could be led to', () => {
  it.each([
    ['a page', '/healthz'],
    ['a query by GET', `${ASK}?connect=v1&encoding=json&message=%7B%22text%22%3A%22x%22%7D`],
    ['a command by GET, which is refused', ECHO],
    ['nothing', '/nothing'],
  ])('is embedded nowhere, and loads and tells nothing: %s', async (_, path) => {
    const { headers } = await fetch(closedAt + path);
    expect(headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'");
    expect(headers.get('referrer-policy')).toBe('no-referrer');
  });
});

describe('parseOrigins', () => {
  it.each(['https://app.example.org', 'http://localhost:3000, https://a.test', 'capacitor://localhost', ''])(
    'takes %j',
    (text) => {
      expect(parseOrigins(text)).toEqual(text.split(', ').filter(Boolean));
    },
  );

  it.each([
    '*',
    'null',
    'app.example.org',
    'https://app.example.org/',
    'https://app.example.org/x',
    'https://App.example.org',
    'https://*.example.org',
  ])('does not take %j', (text) => {
    expect(parseOrigins(text)).toBeUndefined();
  });
});
