import { constants } from 'node:http2';
import { Code, ConnectError, createConnectRouter, createContextValues } from '@connectrpc/connect';
import type { UniversalHandler } from '@connectrpc/connect/protocol';
import { errorToJson } from '@connectrpc/connect/protocol-connect';
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from '@connectrpc/connect-node';
import { MalformedRequest } from '../../cqrs/errors.ts';
import { toConnectError, type UnexpectedErrors } from '../../middleware/errors.ts';
import { CallsInFlight } from '../calls-in-flight.ts';
import { type Door, type DoorOptions, MAX_MESSAGE_BYTES } from '../door.ts';
import { unknownMethod } from '../refusal.ts';
import { boundTimeouts } from './bound-timeouts.ts';
import { type HttpRequest, type HttpResponse, type HttpRoute, sendJson, serveHttpRoute } from './http-route.ts';
import { HttpServer } from './http-server.ts';
import { requestGate } from './request-gate.ts';
import { addRpcs, wireKey } from './rpc.ts';

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
          : Promise.resolve(sendError(response, 404, unknownMethod(path)));
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
  const maxMessageBytes = options.maxMessageBytes ?? MAX_MESSAGE_BYTES;
  const router = createConnectRouter({
    readMaxBytes: maxMessageBytes,
    acceptCompression: [compressionGzip, compressionBrotli],
    jsonOptions: JSON_OPTIONS,
    requestGate: requestGate({ maxMessageBytes, unexpected }),
  });
  addRpcs(router, [...bus.values(), ...standard], { inFlight, unexpected });
  return router.handlers;
}

async function serveRpc(
  rpc: UniversalHandler,
  request: HttpRequest,
  response: HttpResponse,
  unexpected: UnexpectedErrors,
): Promise<void> {
  const values = createContextValues();
  boundTimeouts(request.headers);
  let universal: ReturnType<typeof universalRequestFromNodeRequest>;
  try {
    universal = universalRequestFromNodeRequest(request, response, undefined, values);
  } catch (error) {
    // The authority or the path make no URL.
    sendError(response, 400, toConnectError(new MalformedRequest(error), rpc.method, unexpected));
    return;
  }
  const { remoteAddress = '', remotePort = '' } = request.socket;
  values.set(wireKey, { peer: `${remoteAddress}:${remotePort}`, signal: universal.signal });
  stopUploadWhenAnswered(response);
  try {
    await universalResponseToNodeResponse(await rpc(universal), response);
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
