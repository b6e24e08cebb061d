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
export function refuse(response: HttpResponse, spoken: Spoken, refusal: Refusal): void {
  sendForm(response, spoken, formOf(spoken.protocol, refusal));
}

/** A refusal in a protocol, which can be sent many times. */
export interface Form {
  readonly status: number;
  /** By default that of the request. */
  readonly contentType: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
}

export function formOf(protocol: Protocol, { error, httpStatus, headers }: Refusal): Form {
  const said = FORMS[protocol](error, httpStatus);
  const status = WITHOUT_STATUS.has(protocol) || SAID_BY_HTTP.has(httpStatus) ? httpStatus : 200;
  return { status, contentType: said.contentType, headers: { ...headers, ...said.headers }, body: said.body };
}

export function sendForm(response: HttpResponse, spoken: Spoken, { status, contentType, headers, body }: Form): void {
  if (response.headersSent) return;
  response.statusCode = status;
  for (const name in headers) response.setHeader(name, headers[name] ?? '');
  response.setHeader('content-type', contentType ?? spoken.mediaType);
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

interface Said {
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

const FORMS: Readonly<Record<Protocol, (error: ConnectError, httpStatus: number) => Said>> = {
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
