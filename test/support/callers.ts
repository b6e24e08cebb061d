import { type Client, createClient, type Transport } from '@connectrpc/connect';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { grpcJsTransport } from './grpc-js-transport.ts';

/** Both services of users over gRPC, called with a token. */
export interface Caller extends Disposable {
  readonly commands: Client<typeof CommandService>;
  readonly queries: Client<typeof QueryService>;
}

/** `options` are those of the grpc-js channel. */
export function callerWith(token: string, address: string, options: Parameters<typeof grpcJsTransport>[1] = {}): Caller {
  const transport = grpcJsTransport(address, options);
  const ours = withToken(transport, token);
  return {
    commands: createClient(CommandService, ours),
    queries: createClient(QueryService, ours),
    [Symbol.dispose]: () => transport.close(),
  };
}

/** The same transport, for unary calls with a token. */
export const withToken = (transport: Transport, token: string): Transport => ({
  ...transport,
  unary(method, signal, timeoutMs, header, input, contextValues) {
    const headers = new Headers(header);
    headers.set('authorization', `Bearer ${token}`);
    return transport.unary(method, signal, timeoutMs, headers, input, contextValues);
  },
});
