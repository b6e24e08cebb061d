import { constants } from 'node:http2';
import { createRegistry, type DescFile, type Registry } from '@bufbuild/protobuf';
import { Code, ConnectError, createConnectRouter, createContextValues } from '@connectrpc/connect';
import type { UniversalHandler } from '@connectrpc/connect/protocol';
import { errorToJson } from '@connectrpc/connect/protocol-connect';
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from '@connectrpc/connect-node';
import type { Bus } from '../../cqrs/bus.ts';
import { MalformedRequest } from '../../cqrs/errors.ts';
import { toConnectError, type UnexpectedErrors } from '../../middleware/errors.ts';
import { CallsInFlight } from '../calls-in-flight.ts';
import type { Door, DoorOptions } from '../door.ts';
import { MessageLimits } from '../message-limits.ts';
import { unknownMethod, unsupportedContentType, unsupportedVerb } from '../refusal.ts';
import { boundTimeouts } from './bound-timeouts.ts';
import { serveText } from './grpc-web-text.ts';
import { type HttpRequest, type HttpResponse, type HttpRoute, sendJson, serveHttpRoute } from './http-route.ts';
import { HttpServer } from './http-server.ts';
import { type Refusal, refuse } from './refuse.ts';
import { requestGate } from './request-gate.ts';
import { addRpcs, wireKey } from './rpc.ts';
import { spokenProtocol } from './spoken-protocol.ts';

export interface ConnectDoorOptions extends DoorOptions {
  /** Pages beside the rpcs. */
  readonly routes?: readonly HttpRoute[] | undefined;
  /** Calls at once on one HTTP/2 connection. */
  readonly maxConcurrentStreams?: number | undefined;
}

/** How long a closing connection gets to send its last answers. */
const LAST_WORDS_MS = 250;

/** What is not of the contract is refused. `textDecoder` is an option that Connect's types do not name. */
const JSON_OPTIONS = { ignoreUnknownFields: false, textDecoder: new TextDecoder('utf-8', { fatal: true }) };

/** The bus and the standard services over Connect, gRPC-Web and gRPC as connect-node speaks them, on HTTP/1.1 and HTTP/2, and a few plain pages. */
export function createConnectDoor(options: ConnectDoorOptions): Door {
  const { unexpected } = options;
  const inFlight = new CallsInFlight();
  const rpcs = new Map(handlersOf(options, inFlight).map((handler) => [handler.requestPath, handler]));
  const routes = new Map((options.routes ?? []).map((route) => [route.path, route]));
  const prefixes = (options.routes ?? []).filter(({ isPrefix }) => isPrefix);

  const server = new HttpServer(
    (request, response) => {
      const [path = ''] = (request.url ?? '').split('?', 1);
      const rpc = rpcs.get(path);
      const route = routes.get(path) ?? prefixes.find((prefix) => path.startsWith(prefix.path));
      const served = rpc
        ? serveRpc(rpc, request, response, unexpected)
        : route
          ? serveHttpRoute(route, request, response)
          : refuseUnknown(path, request, response);
      served.catch((error) => failed(error, response, unexpected));
    },
    { tls: options.tls, maxConcurrentStreams: options.maxConcurrentStreams ?? 1000 },
  );

  return {
    listen: (address) => server.listen(address),
    async close({ graceMs }) {
      const forget = inFlight.endWithin(graceMs);
      const end = setTimeout(() => server.destroy(), graceMs + LAST_WORDS_MS);
      await server.close();
      forget();
      clearTimeout(end);
    },
  };
}

function handlersOf(
  { bus, standard = [], unexpected, ...options }: ConnectDoorOptions,
  inFlight: CallsInFlight,
): readonly UniversalHandler[] {
  const messageLimits = new MessageLimits(bus, options.maxMessageBytes);
  const router = createConnectRouter({
    acceptCompression: [compressionGzip, compressionBrotli],
    jsonOptions: { ...JSON_OPTIONS, registry: typesOf(bus) },
    requestGate: requestGate({ messageLimits, unexpected }),
  });
  addRpcs(router, [...bus.values(), ...standard], { inFlight, unexpected, messageLimits });
  return router.handlers;
}

/** Every type of the contracts: a `google.protobuf.Any` in JSON is written out as the message that it holds. */
function typesOf(bus: Bus): Registry {
  const files = new Set<DescFile>();
  const add = (file: DescFile): void => {
    if (files.has(file)) return;
    files.add(file);
    file.dependencies.forEach(add);
  };
  for (const { method } of bus.values()) add(method.parent.file);
  return createRegistry(...files);
}

async function serveRpc(
  rpc: UniversalHandler,
  request: HttpRequest,
  response: HttpResponse,
  unexpected: UnexpectedErrors,
): Promise<void> {
  const values = createContextValues();
  boundTimeouts(request.headers);
  const { headers } = request;
  const spoken = spokenProtocol(headers['content-type'] ?? '');
  // As Connect's own handlers know it: they do not read parameters.
  if (headers['content-type'] !== undefined) headers['content-type'] = spoken.mediaType;
  let universal: ReturnType<typeof universalRequestFromNodeRequest>;
  try {
    universal = universalRequestFromNodeRequest(request, response, undefined, values);
  } catch (error) {
    // The authority or the path make no URL.
    refuse(response, spoken, {
      httpStatus: 400,
      error: toConnectError(new MalformedRequest(error), rpc.method, unexpected),
    });
    return;
  }
  const { remoteAddress = '', remotePort = '' } = request.socket;
  values.set(wireKey, { peer: `${remoteAddress}:${remotePort}`, signal: universal.signal });
  stopUploadWhenAnswered(response);
  try {
    const answer = spoken.protocol === 'grpc-web-text' ? await serveText(rpc, universal) : await rpc(universal);
    const refused = answer.body ? undefined : formRefused(answer.status, request.method ?? '', rpc);
    if (refused) refuse(response, spoken, refused);
    else await universalResponseToNodeResponse(answer, response);
  } catch (error) {
    if (!hasHungUp(response, error)) throw error;
  }
}

/**
 * A caller that still sends when its answer is complete is told to stop (RFC 9113, 8.1), or its stream would stay open. Not at once,
 * because Node sends the trailers after it has said that it is finished.
 */
function stopUploadWhenAnswered(response: HttpResponse): void {
  if (!('stream' in response)) return;
  const { stream } = response;
  stream.once('finish', () => {
    if (stream.readableEnded) return;
    setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), LAST_WORDS_MS).unref();
  });
}

/** Connect's code for it is Aborted, but it does not recognize every error. */
function hasHungUp(response: HttpResponse, error: unknown): boolean {
  const aborted = error instanceof ConnectError && error.code === Code.Aborted;
  return aborted || ('stream' in response ? response.stream.destroyed : response.destroyed);
}

function failed(error: unknown, response: HttpResponse, unexpected: UnexpectedErrors): void {
  const typed = toConnectError(error, undefined, unexpected);
  if (response.headersSent) response.destroy();
  else sendError(response, 500, typed);
}

function sendError(response: HttpResponse, status: number, error: ConnectError): void {
  sendJson(response, { status, body: errorToJson(error, undefined) });
}

async function refuseUnknown(path: string, request: HttpRequest, response: HttpResponse): Promise<void> {
  const spoken = spokenProtocol(request.headers['content-type'] ?? '');
  refuse(response, spoken, { httpStatus: 404, error: unknownMethod(path) });
}

/** The words for what Connect refuses by an HTTP status alone. */
function formRefused(status: number, verb: string, rpc: UniversalHandler): Refusal | undefined {
  if (status !== 405 && status !== 415) return undefined;
  const isUnary = rpc.method.methodKind === 'unary';
  // Connect has no GET for streams, though its handlers say so.
  const verbs = isUnary ? rpc.allowedMethods : ['POST'];
  if (!verbs.includes(verb)) return { httpStatus: 405, error: unsupportedVerb(verbs), headers: { allow: verbs.join(', ') } };
  const served = isUnary ? UNARY_TYPES : STREAM_TYPES;
  return { httpStatus: 415, error: unsupportedContentType(served), headers: { accept: served.join(', ') } };
}

const GRPC_TYPES = ['application/grpc', 'application/grpc-web', 'application/grpc-web-text'];
const UNARY_TYPES = ['application/json', 'application/proto', ...GRPC_TYPES];
const STREAM_TYPES = ['application/connect+json', 'application/connect+proto', ...GRPC_TYPES];
