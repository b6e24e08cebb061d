import type { Transport } from '@connectrpc/connect';
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from '@connectrpc/connect-node';
import { createConnectDoor } from '../../src/kernel/doors/connect/door.ts';
import type { DoorOptions } from '../../src/kernel/doors/door.ts';
import { createGrpcDoor } from '../../src/kernel/doors/grpc/door.ts';
import { inProcessTransport } from '../../src/kernel/doors/in-process.ts';
import type { Conformance } from './conformance-service.ts';
import { grpcJsTransport } from './grpc-js-transport.ts';

/** A way to call the bus: how to make its transport, once the doors are open. */
export interface Subject {
  readonly name: string;
  /** Not in process, where nothing is serialized: limits of size and compression. */
  readonly network: boolean;
  /** A `break` out of the stream of a transport ends the call; Connect's transports need a signal for that. */
  readonly leavesByBreak?: true;
  readonly open: (at: { grpc: number; connect: number; conformance: Conformance }) => {
    transport: Transport;
    close?: () => void;
  };
}

const gzip = { sendCompression: compressionGzip, compressMinBytes: 0 };

function http2(port: number): { baseUrl: string; httpVersion: '2'; sessionManager: Http2SessionManager } {
  const baseUrl = `http://127.0.0.1:${port}`;
  return { baseUrl, httpVersion: '2', sessionManager: new Http2SessionManager(baseUrl) };
}
function http1(port: number): { baseUrl: string; httpVersion: '1.1' } {
  return { baseUrl: `http://127.0.0.1:${port}`, httpVersion: '1.1' };
}
function overHttp2(port: number, make: (options: ReturnType<typeof http2>) => Transport) {
  const options = http2(port);
  return { transport: make(options), close: () => options.sessionManager.abort() };
}

/** Every way through the three doors. */
export const SUBJECTS: readonly Subject[] = [
  {
    name: 'gRPC door, grpc-js client',
    network: true,
    leavesByBreak: true,
    open: ({ grpc }) => {
      const transport = grpcJsTransport(`127.0.0.1:${grpc}`);
      return { transport, close: () => transport.close() };
    },
  },
  {
    name: 'gRPC door, grpc-js client, gzip',
    network: true,
    open: ({ grpc }) => {
      const transport = grpcJsTransport(`127.0.0.1:${grpc}`, { 'grpc.default_compression_algorithm': 2 });
      return { transport, close: () => transport.close() };
    },
  },
  { name: 'gRPC door, Connect client', network: true, open: ({ grpc }) => overHttp2(grpc, createGrpcTransport) },
  {
    name: 'gRPC door, Connect client, gzip',
    network: true,
    open: ({ grpc }) => overHttp2(grpc, (options) => createGrpcTransport({ ...options, ...gzip })),
  },
  {
    name: 'Connect door, Connect JSON, HTTP/1.1',
    network: true,
    open: ({ connect }) => ({ transport: createConnectTransport({ ...http1(connect), useBinaryFormat: false }) }),
  },
  {
    name: 'Connect door, Connect JSON, HTTP/2, gzip',
    network: true,
    open: ({ connect }) =>
      overHttp2(connect, (options) => createConnectTransport({ ...options, ...gzip, useBinaryFormat: false })),
  },
  {
    name: 'Connect door, Connect binary, HTTP/1.1, gzip',
    network: true,
    open: ({ connect }) => ({ transport: createConnectTransport({ ...http1(connect), ...gzip, useBinaryFormat: true }) }),
  },
  {
    name: 'Connect door, Connect binary, HTTP/2',
    network: true,
    open: ({ connect }) => overHttp2(connect, (options) => createConnectTransport({ ...options, useBinaryFormat: true })),
  },
  {
    name: 'Connect door, Connect GET',
    network: true,
    open: ({ connect }) => ({ transport: createConnectTransport({ ...http1(connect), useHttpGet: true }) }),
  },
  {
    name: 'Connect door, gRPC-Web, HTTP/1.1',
    network: true,
    open: ({ connect }) => ({ transport: createGrpcWebTransport(http1(connect)) }),
  },
  {
    name: 'Connect door, gRPC-Web, HTTP/2, gzip',
    network: true,
    open: ({ connect }) => overHttp2(connect, (options) => createGrpcWebTransport({ ...options, ...gzip })),
  },
  { name: 'Connect door, gRPC', network: true, open: ({ connect }) => overHttp2(connect, createGrpcTransport) },
  {
    name: 'in process',
    network: false,
    leavesByBreak: true,
    open: ({ conformance }) => ({ transport: inProcessTransport(conformance.bus) }),
  },
];

/** Opens both network doors. */
export async function openDoors(
  conformance: Conformance & Pick<DoorOptions, 'standard'>,
): Promise<{ grpc: number; connect: number; close: () => Promise<void> }> {
  const grpcDoor = createGrpcDoor(conformance);
  const connectDoor = createConnectDoor(conformance);
  const [grpc, connect] = await Promise.all([grpcDoor.listen('127.0.0.1:0'), connectDoor.listen('127.0.0.1:0')]);
  const close = async (): Promise<void> => {
    await Promise.all([grpcDoor.close({ graceMs: 0 }), connectDoor.close({ graceMs: 0 })]);
  };
  return { grpc, connect, close };
}
