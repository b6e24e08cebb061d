import { once } from 'node:events';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { connect } from 'node:http2';
import { get as getHttps } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { allowsHost } from '../../../../src/kernel/doors/allowed-hosts.ts';
import { createConnectDoor } from '../../../../src/kernel/doors/connect/door.ts';
import { ServerTls } from '../../../../src/kernel/doors/tls/server-tls.ts';
import { certificates } from '../../../support/certificates.ts';
import { conformanceService } from '../../../support/conformance-service.ts';
import { throwBytes } from '../../../support/hostile-bytes.ts';

const ECHO = '/conformance.v1.CommandService/Echo';
const conformance = conformanceService();
const routes = [
  { path: '/healthz', anyHost: true, handle: () => ({ status: 200, body: {} }) },
  { path: '/keys', handle: () => ({ status: 200, body: {}, headers: { 'cache-control': 'public, max-age=300' } }) },
];
const door = createConnectDoor({ ...conformance, routes, isAllowedHost: (host) => allowsHost(['api.example.org'], host) });
let port: number;
beforeAll(async () => {
  port = await door.listen('127.0.0.1:0');
});
afterAll(() => door.close({ graceMs: 0 }));

async function ask(host: string, path: string, type = 'application/json'): Promise<{ status: number | undefined; body: string }> {
  const request = requestHttp({
    port,
    path,
    method: type ? 'POST' : 'GET',
    headers: { host, ...(type && { 'content-type': type }) },
  });
  request.end(type === 'application/json' ? '{}' : undefined);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return { status: response.statusCode, body: (await Array.fromAsync(response)).join('') };
}

describe('hosts', () => {
  it('serves calls to its own name', async () => {
    expect((await ask('api.example.org:8080', ECHO)).status).toBe(200);
  });

  it('refuses calls and pages under another name, in the protocol that is spoken', async () => {
    const before = conformance.calls.length;
    const refused = await ask('evil.test', ECHO);
    expect([refused.status, JSON.parse(refused.body).code]).toEqual([403, 'permission_denied']);
    expect(refused.body).toContain('HOST_NOT_ALLOWED');
    const web = await ask('evil.test', ECHO, 'application/grpc-web+proto');
    expect([web.status, /grpc-status: 7/.test(web.body)]).toEqual([200, true]);
    expect((await ask('evil.test', '/keys', '')).status).toBe(403);
    expect(conformance.calls).toHaveLength(before);
  });

  it('takes the host of a URL, whatever the header beside it says', async () => {
    const call = (url: string, host: string) =>
      throwBytes(port, `POST ${url} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`);
    expect(await call(`http://api.example.org${ECHO}`, 'evil.test')).toMatch(/^HTTP\/1\.1 200 /);
    expect(await call(`http://evil.test${ECHO}`, 'api.example.org')).toMatch(/^HTTP\/1\.1 403 /);
    expect(await call('http://evil.test', 'api.example.org')).toMatch(/^HTTP\/1\.1 403 /);
  });

  it('refuses another authority over HTTP/2', async () => {
    const session = connect(`http://127.0.0.1:${port}`);
    const call = (authority: string) => session.request({ ':authority': authority, ':path': '/keys' });
    const statuses = [];
    for (const authority of ['api.example.org', 'evil.test']) {
      const [headers] = (await once(call(authority).resume(), 'response')) as [Record<string, unknown>];
      statuses.push(headers[':status']);
    }
    session.destroy();
    expect(statuses).toEqual([200, 403]);
  });

  it('answers probes under any', async () => {
    expect((await ask(`10.0.0.7:${port}`, '/healthz', '')).status).toBe(200);
  });
});

it('has browsers stay with TLS, and keep what may be kept', async () => {
  const { ca, server } = await certificates();
  const secure = createConnectDoor({ ...conformance, routes, tls: new ServerTls(server) });
  const securePort = await secure.listen('127.0.0.1:0');
  const ask = async (host: string): Promise<IncomingMessage['headers']> => {
    const request = getHttps({
      port: securePort,
      host: '127.0.0.1',
      path: '/keys',
      ca,
      agent: false,
      servername: 'localhost',
      headers: { host },
    });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    request.destroy();
    return response.headers;
  };
  expect(await ask('api.example.org')).toMatchObject({
    'strict-transport-security': 'max-age=31536000; includeSubDomains',
    'x-content-type-options': 'nosniff',
    'cache-control': 'public, max-age=300',
  });
  // Other services, in clear text, may have the same name.
  expect(await ask(`localhost:${securePort}`)).not.toHaveProperty('strict-transport-security');
  await secure.close({ graceMs: 0 });
});
