import type { ConnectionOptions } from 'node:tls';
import { type Client, createClient } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { createConnectDoor } from '../../src/kernel/doors/connect/door.ts';
import type { Door, DoorOptions } from '../../src/kernel/doors/door.ts';
import { createGrpcDoor } from '../../src/kernel/doors/grpc/door.ts';
import { ServerTls } from '../../src/kernel/doors/tls/server-tls.ts';
import { CommandService } from '../gen/conformance/v1/conformance_pb.js';
import { certificates } from './certificates.ts';
import { type Conformance, conformanceService } from './conformance-service.ts';
import { frameOf, PREFACE, RawConnection, settings } from './raw-frames.ts';

/** A door that a test may attack. */
export interface GuardedDoor extends AsyncDisposable {
  readonly port: number;
  readonly conformance: Conformance;
  readonly door: Door;
  /** Undefined at a door that speaks clear text. */
  readonly tls: ConnectionOptions | undefined;
  /** A connection over which nothing has been sent, but the handshake of TLS. */
  readonly connect: () => Promise<RawConnection>;
  /** A connection over HTTP/2 that has begun as it should. */
  readonly connectHttp2: () => Promise<RawConnection>;
  /** A client like any other, on a connection of its own. */
  readonly caller: () => Caller;
}

export interface Caller extends Disposable {
  readonly client: Client<typeof CommandService>;
}

export const GUARDED = [
  ['the gRPC door', { make: createGrpcDoor, secure: false }],
  ['the gRPC door with TLS', { make: createGrpcDoor, secure: true }],
  ['the Connect door', { make: createConnectDoor, secure: false }],
  ['the Connect door with TLS', { make: createConnectDoor, secure: true }],
] as const;

export type Making = (typeof GUARDED)[number][1];

export async function guardedDoor(
  { make, secure }: Making,
  edge: DoorOptions['edge'] = {},
  { proxies }: Pick<DoorOptions, 'proxies'> = {},
): Promise<GuardedDoor> {
  const conformance = conformanceService();
  const { ca, server } = await certificates();
  const door = make({
    bus: conformance.bus,
    unexpected: conformance.unexpected,
    edge,
    proxies,
    tls: secure ? new ServerTls(server) : undefined,
  });
  const port = await door.listen('127.0.0.1:0');
  const connect = (protocols: string[]) => RawConnection.open(port, secure ? { ca, ALPNProtocols: protocols } : undefined);
  return {
    port,
    conformance,
    door,
    tls: secure ? { ca } : undefined,
    connect: () => connect(['h2']),
    connectHttp2: async () => {
      const connection = await connect(['h2']);
      connection.send(PREFACE, settings(), frameOf(4, { flags: 1 }));
      return connection;
    },
    caller: () => callerOf(port, secure ? { ca } : undefined),
    [Symbol.asyncDispose]: () => door.close({ graceMs: 0 }),
  };
}

function callerOf(port: number, tls: ConnectionOptions | undefined): Caller {
  const baseUrl = `${tls ? 'https' : 'http'}://localhost:${port}`;
  const nodeOptions = { ca: tls?.ca };
  const sessionManager = new Http2SessionManager(baseUrl, undefined, nodeOptions);
  return {
    client: createClient(CommandService, createGrpcTransport({ baseUrl, sessionManager, nodeOptions })),
    [Symbol.dispose]: () => sessionManager.abort(),
  };
}
