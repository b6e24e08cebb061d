import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ConnectError } from '@connectrpc/connect';
import { errorToJson } from '@connectrpc/connect/protocol-connect';
import { AddressInUse, parseAddress } from './address.ts';
import { takeHost } from './connect/host.ts';
import { type HttpAnswer, type HttpRoute, sendJson, serveHttpRoute } from './connect/http-route.ts';
import type { Door } from './door.ts';
import { severalHosts, unknownPage } from './refusal.ts';
import { SECURITY_HEADERS } from './security-headers.ts';

/** Who asks is brief, and asks for one thing at a time. */
const LIMITS = { headersTimeout: 5_000, requestTimeout: 5_000, connectionsCheckingInterval: 1_000, maxHeaderSize: 8 * 1024 };
const CONNECTIONS = 64;
const FORBIDDEN: HttpAnswer = { status: 403, body: { message: 'not under this host name: use the address itself' } };

/**
 * Pages on an address of their own, in plain HTTP/1.1: for probes and scrapes, also when the doors want client certificates, and when
 * they are full. A connection carries one request. A host that is not allowed is answered 403.
 */
export function createPageServer(
  routes: readonly HttpRoute[],
  { isAllowedHost }: { isAllowedHost?: ((host: string) => boolean) | undefined } = {},
): Door {
  const paths = [...routes.map(({ path }) => path)].join(' and ');
  const notFound = refused(404, unknownPage(`${paths} ${routes.length > 1 ? 'are' : 'is'} here`));
  const pages = new Map(routes.map((route) => [route.path, route]));
  const server = createServer(LIMITS, (request, response) => {
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
    // What is sent beside the question is not read.
    response.shouldKeepAlive = false;
    const host = takeHost(request);
    const page = pages.get((request.url ?? '').split('?', 1).join(''));
    if (host === undefined) sendJson(response, refused(400, severalHosts()));
    else if (isAllowedHost?.(host) === false) sendJson(response, FORBIDDEN);
    else if (page) serveHttpRoute(page, request, response).catch(() => response.destroy());
    else sendJson(response, notFound);
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

const refused = (status: number, error: ConnectError): HttpAnswer => ({ status, body: errorToJson(error, undefined) });
