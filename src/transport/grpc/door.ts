import {
  type handleBidiStreamingCall,
  logVerbosity,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Bus, Rpc } from '../../cqrs/bus.ts';
import { type MessageKind, methodName } from '../../cqrs/convention.ts';
import { AddressInUse, parseAddress } from '../address.ts';
import { CallsInFlight } from '../calls-in-flight.ts';
import type { Door, DoorOptions } from '../door.ts';
import { MessageLimits } from '../message-limits.ts';
import { unknownMethod } from '../refusal.ts';
import { type HandlerOptions, streamHandler, unaryHandler } from './handlers.ts';
import { Http2Edge, UNKNOWN_PATH, UNKNOWN_PATH_KEY } from './http2-edge.ts';
import { typedLibraryErrors } from './library-errors.ts';
import { limitMessages } from './limit-messages.ts';
import { Overload, type OverloadOptions } from './overload.ts';
import { PING_RULES, type PingRules } from './ping-police.ts';
import { toStatus } from './status.ts';
import { TlsCredentials } from './tls-credentials.ts';

export interface GrpcDoorOptions extends DoorOptions {
  /** Calls at once on one connection. */
  readonly maxConcurrentStreams?: number | undefined;
  /** Connections older than this are closed when their calls are done, so that callers spread over new instances (gRFC A9). */
  readonly maxConnectionAgeMs?: number | undefined;
  readonly pings?: PingRules | undefined;
  /** Without it, calls are refused by the pipeline alone. */
  readonly overload?: OverloadOptions | undefined;
}

/** Connections on which nothing comes are probed after 2 hours and cut when the probe stays unanswered for 20 s (gRFC A9). */
const KEEPALIVE = { 'grpc.keepalive_time_ms': 2 * 60 * 60_000, 'grpc.keepalive_timeout_ms': 20_000 };
/** How long a closing connection gets to send its last answers. */
const LAST_WORDS_MS = 250;

/** The bus and the standard services over gRPC. */
export function createGrpcDoor(options: GrpcDoorOptions): Door {
  const { bus, unexpected } = options;
  const messageLimits = new MessageLimits(bus, options.maxMessageBytes);
  const inFlight = new CallsInFlight();
  const server = createServer(options, messageLimits);
  const paths = addRpcs(server, { bus, standard: options.standard ?? [] }, { inFlight, unexpected });
  server.addService(UNKNOWN_SERVICE, { refuse: refuseUnknown });
  const overload = options.overload && new Overload(options.overload, unexpected);
  const edge = new Http2Edge({
    busPaths: paths,
    otherPaths: new Set([UNKNOWN_PATH]),
    pings: options.pings ?? PING_RULES,
    overload,
  });

  let bound: string | undefined;
  return {
    async listen(address) {
      const port = await bind(
        server,
        address,
        options.tls ? new TlsCredentials(options.tls) : ServerCredentials.createInsecure(),
      );
      bound = address.replace(/:\d+$/, `:${port}`);
      edge.guard(server);
      return port;
    },
    async close({ graceMs }) {
      edge.endOtherStreams();
      const forget = inFlight.endWithin(graceMs);
      // A caller that neither reads nor hangs up.
      const patienceOver = setTimeout(() => edge.cutConnections(), graceMs + 2 * LAST_WORDS_MS);
      // Before tryShutdown, which would have it believe that the connections are closed already.
      if (bound) server.drain(bound, graceMs + LAST_WORDS_MS);
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      forget();
      clearTimeout(patienceOver);
    },
  };
}

function createServer({ unexpected, ...options }: GrpcDoorOptions, messageLimits: MessageLimits): Server {
  // What grpc-js logs repeats what callers send; what matters reaches us as errors.
  setLogVerbosity(logVerbosity.NONE);
  return new Server({
    ...KEEPALIVE,
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': messageLimits.most,
    'grpc.max_concurrent_streams': options.maxConcurrentStreams ?? 1000,
    ...(options.maxConnectionAgeMs === undefined ? {} : { 'grpc.max_connection_age_ms': options.maxConnectionAgeMs }),
    interceptors: [limitMessages(messageLimits), typedLibraryErrors({ messageLimits, unexpected })],
  });
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
): ReadonlyMap<string, MessageKind | 'stream'> {
  const service: Record<string, ServiceDefinition[string]> = {};
  const implementation: UntypedServiceImplementation = {};
  const paths = new Map<string, MessageKind | 'stream'>();
  const add = (rpc: Rpc, kind: MessageKind | 'stream'): void => {
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

async function bind(server: Server, address: string, creds: ServerCredentials): Promise<number> {
  parseAddress(address);
  return new Promise((resolve, reject) => {
    server.bindAsync(address, creds, (error, port) => {
      if (!error) resolve(port);
      else reject(error.message.includes('EADDRINUSE') ? new AddressInUse(address) : error);
    });
  });
}
