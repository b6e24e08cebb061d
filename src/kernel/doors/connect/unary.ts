import type { ServerResponse } from 'node:http';
import type { JsonReadOptions, JsonWriteOptions } from '@bufbuild/protobuf';
import type { ConnectError } from '@connectrpc/connect';
import { createMethodSerializationLookup, mergeNonProtocolHeaders } from '@connectrpc/connect/protocol';
import { codeToHttpStatus, errorToJsonBytes } from '@connectrpc/connect/protocol-connect';
import type { Answer } from '../../bus/answer.ts';
import type { Rpc } from '../../bus/bus.ts';
import { Call, type Message } from '../../bus/call.ts';
import { methodName } from '../../bus/convention.ts';
import { CallCanceled } from '../../bus/errors.ts';
import { toConnectError } from '../../middleware/errors.ts';
import type { Exchange, HttpRequest, HttpResponse } from './http-route.ts';
import type { RequestBody } from './request-body.ts';
import { retryAfter } from './request-gate.ts';
import type { RpcOptions } from './rpc.ts';
import { readUnary, type UnaryRequest } from './unary-request.ts';
import { validation } from './validated-answer.ts';

/** Answers a call. False when the request is not in form: Connect's own handler says then what is wrong with it. */
export type ServeUnary = (exchange: Exchange, received: { body: RequestBody; peer: string }) => Promise<boolean>;

export interface UnaryOptions extends RpcOptions {
  readonly jsonOptions: Partial<JsonReadOptions & JsonWriteOptions>;
}

/** From this size on an answer is compressed for those who take that, as Connect has it. */
const COMPRESSED_FROM = 1024;
/** An answer of this size is ended when its caller has taken it, so that one who reads slowly can be told from one who does not read. */
const LARGE = 16 * 1024;

/**
 * Serves unary calls of Connect's protocol from the request of Node to its response. Connect's own handler gives the same answers, and
 * pays for a layer between it and any HTTP: headers in three forms, signals and iterators.
 */
export function serveUnary(rpc: Rpc, { inFlight, unexpected, messageLimits, jsonOptions }: UnaryOptions): ServeUnary {
  const { method } = rpc;
  const maxBytes = messageLimits.of(`/${methodName(method)}`);
  const serialization = createMethodSerializationLookup(method, undefined, jsonOptions, {
    readMaxBytes: maxBytes,
    writeMaxBytes: 2 ** 32 - 1,
  });
  const read = readUnary(method, { serialization, maxBytes });
  const validate = validation(method);

  async function dispatch(call: Call, { isBinary }: UnaryRequest, response: HttpResponse): Promise<Uint8Array> {
    inFlight.add(call);
    response.once('close', () => {
      if (inFlight.has(call)) call.cancellation.cancel(new CallCanceled());
    });
    try {
      const answer = await rpc.dispatch(call);
      const body = bodyOf(answer, isBinary);
      response.setHeader('content-type', isBinary ? 'application/proto' : 'application/json');
      for (const [name, value] of answer.headerIfAny ?? []) response.setHeader(name, value);
      for (const [name, value] of answer.trailerIfAny ?? []) response.setHeader(`trailer-${name}`, value);
      return body;
    } catch (error) {
      return refuse(response, toConnectError(error, method, unexpected));
    } finally {
      inFlight.delete(call);
    }
  }

  /** An answer from memory is put into JSON once. */
  function bodyOf(answer: Answer, isBinary: boolean): Uint8Array {
    const { keptForm, bytes } = answer;
    const known = isBinary ? bytes : keptForm?.json;
    if (known) return known;
    const body = serialization.getO(isBinary).serialize(answer.message as Message);
    if (keptForm && !isBinary) keptForm.json = body;
    return body;
  }

  function refuse(response: HttpResponse, error: ConnectError): Uint8Array {
    const comeBack = retryAfter(error);
    const headers = new Headers(comeBack === undefined ? undefined : { 'retry-after': comeBack });
    mergeNonProtocolHeaders(headers, error.metadata);
    response.statusCode = codeToHttpStatus(error.code);
    response.setHeader('content-type', 'application/json');
    for (const [name, value] of headers) response.setHeader(name, value);
    return errorToJsonBytes(error, jsonOptions);
  }

  return async (exchange, { body, peer }) => {
    const { request, response } = exchange;
    const asked = await read(request, body);
    if (!asked) return false;
    const isGet = request.method === 'GET';
    // Answers depend on who asks and are out of date at once.
    if (isGet) response.setHeader('cache-control', 'private, no-store');
    let bytes = await dispatch(callOf(rpc, asked, { request, peer }), asked, response);
    if (asked.compression && bytes.byteLength >= COMPRESSED_FROM) {
      bytes = await asked.compression.compress(bytes as Uint8Array<ArrayBuffer>);
      response.setHeader('content-encoding', asked.compression.name);
    }
    if (isGet && response.statusCode === 200 && validate?.(exchange, bytes)) sendNotModified(response);
    else send(response, bytes);
    return true;
  };
}

function callOf({ method }: Rpc, { message, deadline }: UnaryRequest, from: { request: HttpRequest; peer: string }): Call {
  const { peer, request } = from;
  const { headers } = request;
  return new Call({
    method,
    request: message,
    origin: { door: 'connect', peer, deadline, requestMethod: request.method === 'GET' ? 'GET' : 'POST' },
    header: () => webHeaders(headers),
    readHeader: (name) => headers[name]?.toString(),
    readHeaderNames: () => Object.keys(headers).filter(isHeader),
  });
}

/** Not what HTTP/2 says beside the headers, such as `:path`. */
const isHeader = (name: string): boolean => !name.startsWith(':');

function webHeaders(headers: HttpRequest['headers']): Headers {
  const web = new Headers();
  for (const name of Object.keys(headers).filter(isHeader)) {
    for (const value of [headers[name] ?? []].flat()) web.append(name, value);
  }
  return web;
}

function sendNotModified(response: HttpResponse): void {
  response.statusCode = 304;
  for (const name of ['content-type', 'content-encoding']) response.removeHeader(name);
  response.end();
}

function send(response: HttpResponse, bytes: Uint8Array): void {
  const { byteLength } = bytes;
  response.setHeader('content-length', byteLength);
  if (byteLength < LARGE) (response as ServerResponse).end(bytes);
  else if ((response as ServerResponse).write(bytes)) response.end();
  else response.once('drain', () => response.end());
}
