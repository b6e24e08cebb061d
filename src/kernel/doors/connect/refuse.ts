import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { ConnectError } from '@connectrpc/connect';
import { encodeEnvelope } from '@connectrpc/connect/protocol';
import { endStreamFlag, errorToJson } from '@connectrpc/connect/protocol-connect';
import { setTrailerStatus, trailerFlag, trailerSerialize } from '@connectrpc/connect/protocol-grpc-web';
import type { HttpResponse } from './http-route.ts';
import type { Protocol, Spoken } from './spoken-protocol.ts';

/** An answer to what never became a call. */
export interface Refusal {
  readonly error: ConnectError;
  readonly httpStatus: number;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** What is said by HTTP in every protocol; the rest is 200 in those that have a status of their own. */
const SAID_BY_HTTP: ReadonlySet<number> = new Set([400, 405, 415]);

/** Answers in the protocol that was spoken, so that its client finds the code and the details where it looks for them. */
export function refuse(response: HttpResponse, spoken: Spoken, { error, httpStatus, headers }: Refusal): void {
  if (response.headersSent) return;
  const { contentType = spoken.mediaType, body, ...said } = FORMS[spoken.protocol](error, httpStatus);
  const status = WITHOUT_STATUS.has(spoken.protocol) || SAID_BY_HTTP.has(httpStatus) ? httpStatus : 200;
  response.statusCode = status;
  for (const [name, value] of Object.entries({ ...headers, ...said.headers })) response.setHeader(name, value);
  response.setHeader('content-type', contentType);
  // Trailers-Only are headers that end the stream; a body of no bytes would end it after them.
  if (!body) {
    response.end();
    return;
  }
  response.setHeader('content-length', body.byteLength);
  (response as ServerResponse).end(body);
}

/** Those that have no status but that of HTTP. */
const WITHOUT_STATUS: ReadonlySet<Protocol> = new Set(['connect', 'http']);

interface Form {
  /** By default that of the request. */
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

const FORMS: Readonly<Record<Protocol, (error: ConnectError, httpStatus: number) => Form>> = {
  connect: (error) => ({ contentType: 'application/json', body: json(errorToJson(error, undefined)) }),
  'connect-stream': (error) => ({ body: encodeEnvelope(endStreamFlag, json({ error: errorToJson(error, undefined) })) }),
  // Trailers-Only: without a message, the trailers are the headers.
  grpc: (error) => ({ headers: Object.fromEntries(setTrailerStatus(new Headers(), error)) }),
  'grpc-web': (error) => ({ body: trailers(error) }),
  'grpc-web-text': (error) => ({ body: Buffer.from(Buffer.from(trailers(error)).toString('base64')) }),
  // Problem details (RFC 9457), with what Connect says of an error.
  http: (error, status) => ({
    contentType: 'application/problem+json',
    body: json({ status, title: STATUS_CODES[status], detail: error.rawMessage, ...errorToJson(error, undefined) }),
  }),
};

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

const trailers = (error: ConnectError): Uint8Array =>
  encodeEnvelope(trailerFlag, trailerSerialize(setTrailerStatus(new Headers(), error)));
