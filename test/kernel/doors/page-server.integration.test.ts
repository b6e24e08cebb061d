import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Health } from '#gen/grpc/health/v1/health_pb.js';
import { createPageServer } from '../../../src/kernel/doors/page-server.ts';
import { Readiness } from '../../../src/kernel/doors/readiness.ts';
import { CommandService, QueryService } from '../../gen/conformance/v1/conformance_pb.js';
import { throwBytes } from '../../support/hostile-bytes.ts';

let up: { primary: boolean; replica: boolean };
let told: Record<string, boolean>;
let readiness: Readiness;
let server: ReturnType<typeof createPageServer>;
let port: number;

beforeEach(async () => {
  up = { primary: true, replica: true };
  told = {};
  readiness = new Readiness({
    services: [CommandService, QueryService],
    dependencies: { primaryIsUp: () => up.primary, someDatabaseIsUp: () => up.primary || up.replica, databases: () => up },
    tell: (name, serving) => {
      told[name] = serving;
    },
  });
  server = createPageServer(readiness.routes());
  port = await server.listen('127.0.0.1:0');
});
afterEach(() => server.close({ graceMs: 0 }));

const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init);

describe('probes at an address of their own', () => {
  it('are not ready before the start is over nor once the service drains, and alive all the time', async () => {
    const states = [];
    for (const step of [() => {}, () => readiness.start(), () => readiness.drain()]) {
      step();
      states.push([(await get('/healthz')).status, (await get('/readyz')).status]);
    }
    expect(states).toEqual([
      [200, 503],
      [200, 200],
      [200, 503],
    ]);
  });

  it('are ready while queries can be served, and say what cannot', async () => {
    up.primary = false;
    readiness.start();
    const response = await get('/readyz');
    expect([response.status, await response.json()]).toEqual([
      200,
      {
        status: 'ready',
        draining: false,
        services: { [CommandService.typeName]: false, [QueryService.typeName]: true },
        databases: { primary: false, replica: true },
      },
    ]);
    expect(told).toEqual({ '': true, [CommandService.typeName]: false, [QueryService.typeName]: true });

    up.replica = false;
    expect([(await get('/readyz')).status, (await get('/healthz')).status]).toEqual([503, 200]);
  });

  it('answer HEAD, and nothing else than what is asked of them', async () => {
    readiness.start();
    expect((await get('/readyz?verbose', { method: 'HEAD' })).status).toBe(200);
    expect((await get('/readyz', { method: 'POST', body: 'x' })).status).toBe(405);
    for (const path of ['/', '/users.v1.QueryService/GetUser', `/${Health.typeName}/Check`])
      expect((await get(path)).status).toBe(404);
    expect(await (await get('/')).text()).toContain('PAGE_UNKNOWN');
    const { headers } = await get('/healthz');
    expect([headers.get('x-content-type-options'), headers.get('cache-control'), headers.get('connection')]).toEqual([
      'nosniff',
      'no-store',
      'close',
    ]);
  });

  it('are asked of one host, which may stand in the target', async () => {
    expect(await throwBytes(port, 'GET http://probe/healthz HTTP/1.1\r\nHost: x\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
    expect(await throwBytes(port, 'GET /healthz HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('survive bytes that are no request', async () => {
    expect(await throwBytes(port, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')).toMatch(/^(HTTP\/1\.1 400 |$)/);
    expect((await get('/healthz')).status).toBe(200);
  });

  it('do not keep the program from ending', async () => {
    const silent: Socket = connect(port, '127.0.0.1');
    silent.on('error', () => undefined);
    await once(silent, 'connect');
    await server.close({ graceMs: 10_000 });
    silent.destroy();
  });
});
