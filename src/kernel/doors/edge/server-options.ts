import type { ServerOptions as Http1Options } from 'node:http';
import type { ServerOptions as Http2Options } from 'node:http2';
import type { TlsOptions } from 'node:tls';
import { type EdgeLimits, MAX_HEADER_BYTES } from './edge-limits.ts';

/** How often Node looks for requests over HTTP/1.1 that take too long, in milliseconds. */
const CHECK_EVERY = 1000;

/** The limits as Node's HTTP/1.1 server knows them. */
export function http1Options({ requestMs, idleMs }: EdgeLimits): Http1Options {
  return {
    headersTimeout: requestMs,
    requestTimeout: requestMs,
    keepAliveTimeout: idleMs,
    connectionsCheckingInterval: Math.min(CHECK_EVERY, Math.ceil(requestMs / 4)),
  };
}

/** The limits as Node's HTTP/2 servers know them. */
export function http2Options({ streamsPerConnection }: EdgeLimits): Http2Options {
  return { settings: { maxConcurrentStreams: streamsPerConnection, maxHeaderListSize: MAX_HEADER_BYTES } };
}

/** The limits as Node's TLS servers know them. */
export function tlsOptions({ beginMs }: EdgeLimits): TlsOptions {
  return { handshakeTimeout: beginMs };
}
