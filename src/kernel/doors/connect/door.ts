import { constants } from 'node:http2';
import { createRegistry, type DescFile, type Registry } from '@bufbuild/protobuf';
import { Code, ConnectError, createConnectRouter, createContextValues } from '@connectrpc/connect';
import type { UniversalHandler, UniversalServerRequest } from '@connectrpc/connect/protocol';
import { errorToJson } from '@connectrpc/connect/protocol-connect';
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node';
import type { Bus } from '../../bus/bus.ts';
import { type CallKind, methodName } from '../../bus/convention.ts';
import { MalformedRequest } from '../../bus/errors.ts';
import { typedError } from '../../bus/typed-error.ts';
import { toConnectError, type UnexpectedErrors } from '../../middleware/errors.ts';
import { HostNotAllowed, isLocalHost } from '../allowed-hosts.ts';
import { CallsInFlight } from '../calls-in-flight.ts';
import type { Door, DoorOptions } from '../door.ts';
import { Edge } from '../edge/edge.ts';
import { MessageLimits } from '../message-limits.ts';
import { Overload } from '../overload.ts';
import type { TrustedProxies } from '../proxies/trusted-proxies.ts';
import { requestTimedOut, severalHosts, unknownMethod, unsupportedContentType, unsupportedVerb } from '../refusal.ts';
import { DOCUMENT_HEADERS, SECURITY_HEADERS, SECURITY_HEADERS_OVER_TLS } from '../security-headers.ts';
import { boundTimeouts } from './bound-timeouts.ts';
import { CrossOrigin } from './cross-origin.ts';
import { FrameFlags } from './frame-flags.ts';
import { serveText } from './grpc-web-text.ts';
import { takeHost } from './host.ts';
import { type Exchange, type HttpRequest, type HttpResponse, type HttpRoute, sendJson, serveHttpRoute } from './http-route.ts';
import { HttpServer } from './http-server.ts';
import { type Refusal, refuse } from './refuse.ts';
import { RequestBody } from './request-body.ts';
import { requestGate } from './request-gate.ts';
import { addRpcs, type RpcOptions, wireKey } from './rpc.ts';
import { connectionOf, shedOverConnect } from './shed.ts';
import { type Protocol, spokenProtocol } from './spoken-protocol.ts';
import { type ServeUnary, serveUnary } from './unary.ts';
import { COMPRESSIONS } from './unary-request.ts';

export interface ConnectDoorOptions extends DoorOptions {
  /** Pages beside the rpcs. */
  readonly routes?: readonly HttpRoute[] | undefined;
  /** Origins whose pages may call from browsers. */
  readonly corsOrigins?: readonly string[] | undefined;
  /** Types that messages hold in a `google.protobuf.Any` and no contract of an rpc names, such as events. */
  readonly types?: Registry | undefined;
}

/** What is not of the contract is refused. `textDecoder` is an option that Connect's types do not name. */
const JSON_OPTIONS = { ignoreUnknownFields: false, textDecoder: new TextDecoder('utf-8', { fatal: true }) };

/** The bus and the standard services over Connect, gRPC-Web and gRPC as connect-node speaks them, on HTTP/1.1 and HTTP/2, and a few plain pages. */
export function createConnectDoor(options: ConnectDoorOptions): Door {
  const { bus, unexpected } = options;
  const inFlight = new CallsInFlight();
  const messageLimits = new MessageLimits(bus, options.maxMessageBytes);
  const rpcs = servedBy({ ...options, messageLimits, inFlight });
  const routes = new Map((options.routes ?? []).map((route) => [route.path, route]));
  const prefixes = (options.routes ?? []).filter(({ isPrefix }) => isPrefix);
  const bodies = new WeakMap<object, RequestBody>();
  const edge = new Edge({
    ...options.edge,
    proxies: options.proxies,
    largest: (path) => messageLimits.of(path?.split('?', 1)[0]),
    tooLate: (stream) => {
      const body = bodies.get(stream);
      if (body) body.fail(requestTimedOut());
      else stream.close(constants.NGHTTP2_CANCEL);
    },
  });

  const overload = options.overload && new Overload(options.overload, shedOverConnect(unexpected));
  const kinds = new Map<string, CallKind>([...bus.values()].map(({ method, kind }) => [`/${methodName(method)}`, kind]));

  const crossOrigin = options.corsOrigins?.length ? new CrossOrigin(options.corsOrigins) : undefined;

  const server = new HttpServer(
    (request, response) => {
      const host = takeHost(request);
      // Not of a name that stands for another service on every machine, and on every port of this one.
      setHeaders(
        response,
        options.tls && host !== undefined && !isLocalHost(host) ? SECURITY_HEADERS_OVER_TLS : SECURITY_HEADERS,
      );
      const [path = ''] = (request.url ?? '').split('?', 1);
      const rpc = rpcs.get(path);
      const route = routes.get(path) ?? prefixes.find((prefix) => path.startsWith(prefix.path));
      if (!rpc || request.method !== 'POST') setHeaders(response, DOCUMENT_HEADERS);
      if (host === undefined) return refuseSeveralHosts(request, response);
      if (options.isAllowedHost?.(host) === false && !route?.anyHost) return refuseHost(host, request, response);
      if (crossOrigin?.answers(request, response)) return;
      if (overload?.refuses({ request, response }, { kind: kinds.get(path), connection: connectionOf(request) })) return;
      const served = rpc
        ? serveRpc(rpc, { request, response }, { ...options, host, bodies })
        : route
          ? serveHttpRoute(route, request, response)
          : refuseUnknown(path, request, response);
      served.catch((error) => failed(error, response, unexpected));
    },
    { tls: options.tls, proxies: options.proxies, edge },
  );

  return {
    listen: (address) => server.listen(address),
    async close({ graceMs }) {
      const forget = inFlight.endWithin(graceMs);
      await server.close(graceMs);
      forget();
    },
  };
}

/** An rpc, by Connect's own handler for all protocols. Calls of one kind have a shorter way. */
interface ServedRpc {
  readonly handler: UniversalHandler;
  readonly unary: ServeUnary | undefined;
}

function servedBy({ bus, standard = [], types, ...options }: ConnectDoorOptions & RpcOptions): ReadonlyMap<string, ServedRpc> {
  const jsonOptions = { ...JSON_OPTIONS, registry: typesOf(bus, types) };
  const router = createConnectRouter({ acceptCompression: COMPRESSIONS, jsonOptions, requestGate: requestGate(options) });
  const rpcs = [...bus.values(), ...standard];
  addRpcs(router, rpcs, options);
  const unary = new Map(
    rpcs
      .filter(({ method }) => method.methodKind === 'unary')
      .map((rpc) => [`/${methodName(rpc.method)}`, serveUnary(rpc, { ...options, jsonOptions })]),
  );
  return new Map(router.handlers.map((handler) => [handler.requestPath, { handler, unary: unary.get(handler.requestPath) }]));
}

/** Every type of the contracts, and others: a `google.protobuf.Any` in JSON is written out as the message that it holds. */
function typesOf(bus: Bus, others: Registry = createRegistry()): Registry {
  const files = new Set<DescFile>();
  const add = (file: DescFile): void => {
    if (files.has(file)) return;
    files.add(file);
    file.dependencies.forEach(add);
  };
  for (const { method } of bus.values()) add(method.parent.file);
  return createRegistry(...files, others);
}

function setHeaders(response: HttpResponse, headers: Readonly<Record<string, string>>): void {
  for (const name in headers) response.setHeader(name, headers[name] ?? '');
}

interface ServeOptions extends Pick<ConnectDoorOptions, 'unexpected' | 'proxies'> {
  /** As the request addresses it. */
  readonly host: string;
  readonly bodies: WeakMap<object, RequestBody>;
}

async function serveRpc(
  { handler, unary }: ServedRpc,
  exchange: Exchange,
  { unexpected, proxies, host, bodies }: ServeOptions,
): Promise<void> {
  const { request, response } = exchange;
  boundTimeouts(request.headers);
  const { headers } = request;
  const spoken = spokenProtocol(headers['content-type'] ?? '');
  // As Connect's own handlers know it: they do not read parameters.
  if (headers['content-type'] !== undefined) headers['content-type'] = spoken.mediaType;
  const body = new RequestBody(request, ENVELOPED.has(spoken.protocol) ? new FrameFlags() : undefined);
  if ('stream' in request) bodies.set(request.stream, body);
  const peer = peerOf(request, proxies);
  if (unary && spoken.protocol === 'connect' && URL.canParse(`http://${host}`)) {
    if (await unary(exchange, { body, peer })) return;
    // Gone before all of its request had come.
    if (hasHungUp(response)) return;
  }
  const values = createContextValues();
  let universal: UniversalServerRequest;
  try {
    universal = { ...universalRequestFromNodeRequest(request, response, undefined, values), body };
  } catch (error) {
    // The authority or the path make no URL.
    refuse(response, spoken, {
      httpStatus: 400,
      error: toConnectError(new MalformedRequest(error), handler.method, unexpected),
    });
    return;
  }
  // What waits for its caller to read waits for this event.
  const goOn = (): unknown => response.emit('drain');
  values.set(wireKey, { peer, signal: universal.signal, goOn });
  try {
    const answer = spoken.protocol === 'grpc-web-text' ? await serveText(handler, universal) : await handler(universal);
    const refused = answer.body ? undefined : formRefused(answer.status, request.method ?? '', handler);
    if (refused) refuse(response, spoken, refused);
    else await universalResponseToNodeResponse(answer, response);
  } catch (error) {
    // Connect's code for it is Aborted, but it does not recognize every error.
    const isAborted = error instanceof ConnectError && error.code === Code.Aborted;
    if (!isAborted && !hasHungUp(response)) throw error;
  }
}

function peerOf({ socket, headers }: HttpRequest, proxies: TrustedProxies | undefined): string {
  const { remoteAddress = '', remotePort = '' } = socket;
  const peer = `${remoteAddress}:${remotePort}`;
  return proxies ? proxies.callerOf(peer, headers[proxies.header]?.toString()) : peer;
}

const hasHungUp = (response: HttpResponse): boolean => ('stream' in response ? response.stream.destroyed : response.destroyed);

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

function refuseSeveralHosts(request: HttpRequest, response: HttpResponse): void {
  const spoken = spokenProtocol(request.headers['content-type'] ?? '');
  refuse(response, spoken, { httpStatus: 400, error: severalHosts() });
}

function refuseHost(host: string, request: HttpRequest, response: HttpResponse): void {
  const spoken = spokenProtocol(request.headers['content-type'] ?? '');
  refuse(response, spoken, { httpStatus: 403, error: typedError(new HostNotAllowed(host)) });
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

/** Protocols whose messages have flags; those of gRPC-Web in base64 can be seen only when it is undone. */
const ENVELOPED: ReadonlySet<Protocol> = new Set(['connect-stream', 'grpc', 'grpc-web']);

const GRPC_TYPES = ['application/grpc', 'application/grpc-web', 'application/grpc-web-text'];
const UNARY_TYPES = ['application/json', 'application/proto', ...GRPC_TYPES];
const STREAM_TYPES = ['application/connect+json', 'application/connect+proto', ...GRPC_TYPES];
