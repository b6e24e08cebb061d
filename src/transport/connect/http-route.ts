import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';

export type HttpRequest = IncomingMessage | Http2ServerRequest;
export type HttpResponse = ServerResponse | Http2ServerResponse;

/** A page beside the rpcs, such as /healthz, read by GET and answered in JSON. */
export interface HttpRoute {
  /** Compared as a whole, without the query. */
  readonly path: string;
  /** Probes address a host by its number: the page is served under every name. */
  readonly anyHost?: boolean;
  readonly handle: () => HttpAnswer | Promise<HttpAnswer>;
}

export interface HttpAnswer {
  readonly status: number;
  /** Written as JSON. */
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export async function serveHttpRoute(route: HttpRoute, request: HttpRequest, response: HttpResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    sendJson(response, { status: 405, headers: { allow: 'GET, HEAD' }, body: { message: 'this page is read by GET' } });
    return;
  }
  sendJson(response, await route.handle());
}

/** Sends nothing when something was sent before. Node leaves the body out of the answer to HEAD. */
export function sendJson(response: HttpResponse, { status, body, headers }: HttpAnswer): void {
  if (response.headersSent) return;
  const bytes = Buffer.from(JSON.stringify(body));
  (response as ServerResponse).writeHead(status, {
    'content-type': 'application/json',
    'content-length': bytes.byteLength,
    ...headers,
  });
  (response as ServerResponse).end(bytes);
}
