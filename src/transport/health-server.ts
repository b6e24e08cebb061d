import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorToJson } from '@connectrpc/connect/protocol-connect';
import { AddressInUse, parseAddress } from './address.ts';
import { takeHost } from './connect/host.ts';
import { type HttpRoute, sendJson, serveHttpRoute } from './connect/http-route.ts';
import type { Door } from './door.ts';
import { severalHosts, unknownPage } from './refusal.ts';
import { SECURITY_HEADERS } from './security-headers.ts';

/** Probes ask briefly, and one at a time. */
const LIMITS = { headersTimeout: 5_000, requestTimeout: 5_000, connectionsCheckingInterval: 1_000, maxHeaderSize: 8 * 1024 };
const CONNECTIONS = 64;

/**
 * Pages for probes on an address of their own, in plain HTTP/1.1: also when the doors want client certificates, and when they are full.
 * A connection carries one request.
 */
export function createHealthServer(routes: readonly HttpRoute[]): Door {
  const pages = new Map(routes.map((route) => [route.path, route]));
  const server = createServer(LIMITS, (request, response) => {
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
    // What is sent beside the question is not read.
    response.shouldKeepAlive = false;
    if (takeHost(request) === undefined) {
      sendJson(response, { status: 400, body: errorToJson(severalHosts(), undefined) });
      return;
    }
    const page = pages.get((request.url ?? '').split('?', 1).join(''));
    const answered = page ? serveHttpRoute(page, request, response) : notFound(response);
    answered.catch(() => response.destroy());
  });
  server.maxConnections = CONNECTIONS;
  return {
    async listen(address) {
      try {
        server.listen(parseAddress(address));
        await once(server, 'listening');
      } catch (error) {
        throw (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? new AddressInUse(address) : error;
      }
      return (server.address() as AddressInfo).port;
    },
    async close() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function notFound(response: Parameters<typeof sendJson>[0]): Promise<void> {
  sendJson(response, { status: 404, body: errorToJson(unknownPage('/healthz and /readyz are here'), undefined) });
}
