import type { ServerResponse } from 'node:http';
import { cors } from '@connectrpc/connect';
import type { HttpRequest, HttpResponse } from './http-route.ts';

/** Of the bus, beside what Connect and gRPC-Web need: see the table of metadata in README.md. */
const REQUEST_HEADERS = [
  'authorization',
  'idempotency-key',
  'cqrs-consistency',
  'cqrs-consistency-token',
  'cqrs-device',
  'cqrs-dry-run',
  'cqrs-max-staleness',
  'traceparent',
  'tracestate',
];
const ANSWER_HEADERS = [
  'cqrs-command-id',
  'cqrs-consistency-token',
  'cqrs-device',
  'cqrs-replayed',
  'cqrs-served-by',
  'cqrs-staleness-ms',
  'retry-after',
  'traceparent',
  'www-authenticate',
];

/** How long a browser may keep what a preflight said: the most that Chromium does, in seconds. */
const MAX_AGE = '7200';

const PREFLIGHT = {
  'access-control-allow-methods': cors.allowedMethods.join(', '),
  'access-control-allow-headers': [...cors.allowedHeaders, ...REQUEST_HEADERS].join(', '),
  'access-control-max-age': MAX_AGE,
  vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
};
const EXPOSED = [...cors.exposedHeaders, ...ANSWER_HEADERS].join(', ');

/**
 * Lets pages of these origins call the service from browsers (WHATWG Fetch, CORS protocol); pages elsewhere learn nothing of it.
 * Origins are compared as a whole. Callers are known by the header that they send and not by cookies, so credentials are not asked for.
 */
export class CrossOrigin {
  readonly #origins: ReadonlySet<string>;

  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
  }

  /** Sets the headers that the answer needs. True when it was a preflight, and is answered. */
  answers(request: HttpRequest, response: HttpResponse): boolean {
    const { origin } = request.headers;
    const isAllowed = typeof origin === 'string' && this.#origins.has(origin);
    const isPreflight = request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined;
    response.setHeader('vary', 'Origin');
    if (!isAllowed) return false;
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader('access-control-expose-headers', EXPOSED);
    if (!isPreflight) return false;
    (response as ServerResponse).writeHead(204, PREFLIGHT).end();
    return true;
  }
}

/** Reads `https://app.example.org,http://localhost:3000`. Undefined when one is no origin as browsers send it (RFC 6454, 6.2). */
export function parseOrigins(text: string): readonly string[] | undefined {
  const origins = text
    .split(',')
    .map((origin) => origin.trim())
    .filter((origin) => origin !== '');
  return origins.every(isOrigin) ? origins : undefined;
}

function isOrigin(text: string): boolean {
  if (text.includes('*')) return false;
  // Apps have schemes of their own, whose origin the URL standard leaves out.
  return URL.parse(text)?.origin === text || /^[a-z][a-z0-9+.-]+:\/\/[a-z0-9.-]+$/.test(text);
}
