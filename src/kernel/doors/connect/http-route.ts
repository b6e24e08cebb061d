import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { errorToJson } from '@connectrpc/connect/protocol-connect';
import { unsupportedVerb } from '../refusal.ts';

export type HttpRequest = IncomingMessage | Http2ServerRequest;
export type HttpResponse = ServerResponse | Http2ServerResponse;

/** A request and where its answer goes. */
export interface Exchange {
  readonly request: HttpRequest;
  readonly response: HttpResponse;
}

/**
 * A page beside the rpcs, such as /healthz, read by GET.
 *
 * ```ts
 * const openingHours: HttpRoute = { path: '/opening-hours', handle: () => ({ status: 200, body: { open: '9 to 5' } }) };
 * ```
 */
export interface HttpRoute {
  /** Compared as a whole, without the query. */
  readonly path: string;
  /** The path stands for all below it. */
  readonly isPrefix?: true;
  /** Probes address a host by its number: the page is served under every name. */
  readonly anyHost?: boolean;
  readonly handle: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;
}

/** The answer of a route: its body is JSON unless it is bytes. */
export interface HttpAnswer {
  readonly status: number;
  /** Bytes, with their type in the headers, or what is written as JSON. */
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const VERBS = ['GET', 'HEAD'];

export async function serveHttpRoute(route: HttpRoute, request: HttpRequest, response: HttpResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    sendJson(response, {
      status: 405,
      headers: { allow: VERBS.join(', ') },
      body: errorToJson(unsupportedVerb(VERBS), undefined),
    });
    return;
  }
  sendJson(response, await route.handle(request));
}

/** Sends nothing when something was sent before. Node leaves the body out of the answer to HEAD. */
export function sendJson(response: HttpResponse, { status, body, headers }: HttpAnswer): void {
  if (response.headersSent) return;
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  (response as ServerResponse).writeHead(status, {
    'content-type': 'application/json',
    // Of what is not sent, a 304 could only say the length that it does not have here (RFC 9110, 8.6).
    ...(status !== 304 && { 'content-length': bytes.byteLength }),
    ...headers,
  });
  (response as ServerResponse).end(bytes);
}
