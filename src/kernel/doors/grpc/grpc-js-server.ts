import type { Http2Server, SecureServerOptions } from 'node:http2';
import type { Server } from '@grpc/grpc-js';

/** Where grpc-js keeps what it has no options for; its version is pinned, and a test fails if it is no longer there. */
interface ServerInternals {
  readonly http2Servers?: ReadonlyMap<Http2Server, unknown>;
  readonly commonServerOptions?: SecureServerOptions;
}

class GrpcJsChanged extends Error {
  constructor(what: string) {
    super(`@grpc/grpc-js has changed: its ${what} are not where they were`);
    this.name = 'GrpcJsChanged';
  }
}

/** Its HTTP/2 servers, once it is bound. */
export function http2ServersOf(server: Server): Iterable<Http2Server> {
  const { http2Servers } = server as unknown as ServerInternals;
  if (!http2Servers?.size) throw new GrpcJsChanged('HTTP/2 servers');
  return http2Servers.keys();
}

/** Sets options of the HTTP/2 servers that it is going to make. */
export function setNodeOptions(server: Server, options: SecureServerOptions): void {
  const { commonServerOptions } = server as unknown as ServerInternals;
  if (!commonServerOptions) throw new GrpcJsChanged('server options');
  Object.assign(commonServerOptions, options);
}
