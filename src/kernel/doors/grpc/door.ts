import type { Http2Server, ServerHttp2Stream } from 'node:http2';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type handleBidiStreamingCall,
  logVerbosity,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Bus, Rpc } from '../../bus/bus.ts';
import { type CallKind, methodName } from '../../bus/convention.ts';
import type { UnexpectedErrors } from '../../middleware/errors.ts';
import { AddressInUse, parseAddress } from '../address.ts';
import { CallsInFlight } from '../calls-in-flight.ts';
import type { Door, DoorOptions } from '../door.ts';
import { Edge } from '../edge/edge.ts';
import type { EdgeLimits } from '../edge/edge-limits.ts';
import { http2Options, tlsOptions } from '../edge/server-options.ts';
import { MessageLimits } from '../message-limits.ts';
import { Overload } from '../overload.ts';
import { takeProxyHeaders } from '../proxies/proxy-protocol.ts';
import { requestTimedOut, unknownMethod } from '../refusal.ts';
import { http2ServersOf, setNodeOptions } from './grpc-js-server.ts';
import { type HandlerOptions, streamHandler, unaryHandler } from './handlers.ts';
import { Http2Edge, UNKNOWN_PATH, UNKNOWN_PATH_KEY } from './http2-edge.ts';
import { typedLibraryErrors } from './library-errors.ts';
import { limitMessages } from './limit-messages.ts';
import { statusHeaders } from './request-form.ts';
import { shedOverGrpc } from './shed.ts';
import { toStatus } from './status.ts';
import { TlsCredentials } from './tls-credentials.ts';

/** The bus and the standard services over gRPC. */
export function createGrpcDoor(options: DoorOptions): Door {
  const { bus, unexpected, proxies } = options;
  const messageLimits = new MessageLimits(bus, options.maxMessageBytes);
  const inFlight = new CallsInFlight();
  const tooLate = answerTooLate();
  const edge = new Edge({ ...options.edge, proxies, largest: (path) => messageLimits.of(path), tooLate });
  const server = createServer({ limits: edge.limits, messageLimits, unexpected });
  const paths = addRpcs(server, { bus, standard: options.standard ?? [] }, { inFlight, unexpected, proxies });
  server.addService(UNKNOWN_SERVICE, { refuse: refuseUnknown });
  const overload = options.overload && new Overload(options.overload, shedOverGrpc(unexpected));
  const calls = new Http2Edge({ busPaths: paths, otherPaths: new Set([UNKNOWN_PATH]), overload });

  const http2Servers = new Set<Http2Server>();
  return {
    async listen(address) {
      const { tls } = options;
      const port = await bind(server, address, tls ? new TlsCredentials(tls) : ServerCredentials.createInsecure());
      for (const http2Server of http2ServersOf(server)) {
        http2Servers.add(http2Server);
        if (proxies) takeProxyHeaders(http2Server, proxies);
        calls.guard(http2Server);
        edge.guard(http2Server);
        edge.guardHttp2(http2Server);
      }
      return port;
    },
    async close({ graceMs }) {
      calls.endOtherStreams();
      const forget = inFlight.endWithin(graceMs);
      // Callers that have connected already are let in and told, where closing the port would cut them off.
      await nextTurn();
      // Not when grpc-js says so: it waits for ever for a connection that broke at this moment.
      const ended = edge.ended(http2Servers, graceMs);
      server.tryShutdown(() => undefined);
      edge.close();
      await ended;
      forget();
    },
  };
}

function createServer({
  limits,
  messageLimits,
  unexpected,
}: {
  limits: EdgeLimits;
  messageLimits: MessageLimits;
  unexpected: UnexpectedErrors;
}): Server {
  // What grpc-js logs repeats what callers send; what matters reaches us as errors.
  setLogVerbosity(logVerbosity.NONE);
  const server = new Server({
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': messageLimits.most,
    interceptors: [limitMessages(messageLimits), typedLibraryErrors({ messageLimits, unexpected })],
  });
  setNodeOptions(server, { ...http2Options(limits), ...tlsOptions(limits) });
  return server;
}

/** Messages pass grpc-js as bytes: what cannot be decoded is then our error and not its INTERNAL. */
const BYTES = {
  requestSerialize: (bytes: Buffer) => bytes,
  requestDeserialize: (bytes: Buffer) => bytes,
  responseSerialize: (bytes: Buffer) => bytes,
  responseDeserialize: (bytes: Buffer) => bytes,
};

/** Answers the paths and what is behind each. What stands beside the bus is never refused for load, as streams are not. */
function addRpcs(
  server: Server,
  { bus, standard }: { bus: Bus; standard: readonly Rpc[] },
  options: HandlerOptions,
): ReadonlyMap<string, CallKind> {
  const service: Record<string, ServiceDefinition[string]> = {};
  const implementation: UntypedServiceImplementation = {};
  const paths = new Map<string, CallKind>();
  const add = (rpc: Rpc, kind: CallKind): void => {
    const { methodKind } = rpc.method;
    const name = methodName(rpc.method);
    const requestStream = methodKind === 'bidi_streaming';
    const responseStream = requestStream || methodKind === 'server_streaming';
    paths.set(`/${name}`, responseStream ? 'stream' : kind);
    service[name] = { path: `/${name}`, requestStream, responseStream, ...BYTES };
    implementation[name] = responseStream ? streamHandler(rpc, options) : unaryHandler(rpc, options);
  };
  for (const route of bus.values()) add(route, route.kind);
  for (const rpc of standard) add(rpc, 'stream');
  server.addService(service, implementation);
  return paths;
}

/** Takes any number of messages, because nobody knows what kind of call it was to be. */
const UNKNOWN_SERVICE: ServiceDefinition = {
  refuse: { path: UNKNOWN_PATH, requestStream: true, responseStream: true, ...BYTES },
};

const refuseUnknown: handleBidiStreamingCall<Buffer, Buffer> = (wire) => {
  const [path = ''] = wire.metadata.get(UNKNOWN_PATH_KEY);
  wire.emit('error', toStatus(unknownMethod(String(path))));
};

/** Answers a request that stops coming in; no handler has been called for it yet. */
function answerTooLate(): (stream: ServerHttp2Stream) => void {
  const answer = statusHeaders(requestTimedOut());
  return (stream) => stream.respond(answer, { endStream: true });
}

async function bind(server: Server, address: string, creds: ServerCredentials): Promise<number> {
  parseAddress(address);
  return new Promise((resolve, reject) => {
    server.bindAsync(address, creds, (error, port) => {
      if (!error) resolve(port);
      else reject(error.message.includes('EADDRINUSE') ? new AddressInUse(address) : error);
    });
  });
}
