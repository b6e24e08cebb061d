import { once } from 'node:events';
import { createServer as createHttp1Server, type Server as Http1Server, type ServerResponse } from 'node:http';
import {
  createServer as createHttp2Server,
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { AddressInUse, parseAddress } from '../address.ts';
import type { Edge } from '../edge/edge.ts';
import { http1Options, http2Options, tlsOptions } from '../edge/server-options.ts';
import { takeProxyHeaders } from '../proxies/proxy-protocol.ts';
import type { TrustedProxies } from '../proxies/trusted-proxies.ts';
import type { ServerTls } from '../tls/server-tls.ts';
import type { HttpRequest, HttpResponse } from './http-route.ts';
import { speaksHttp2 } from './speaks-http2.ts';

type Listener = (request: HttpRequest, response: HttpResponse) => void;

/** How long a refused caller gets to read why. */
const LAST_READ_MS = 500;
/**
 * How long a caller that has just connected, or is between two calls on HTTP/1.1, gets to say what it wants when the server stops: that
 * may be on its way.
 */
const FIRST_WORDS_MS = 250;
/** How often connections that have become idle are closed while the server stops. */
const IDLE_CHECK_MS = 50;

/** HTTP/1.1 and HTTP/2 on one port: told apart by ALPN with TLS, by the connection preface without (RFC 9113, 3.3 and 3.4). */
export class HttpServer {
  readonly #server: Http1Server | Http2SecureServer;
  /** Connections that have not said yet which HTTP they speak. */
  readonly #undecided = new Set<Socket>();
  readonly #edge: Edge;

  constructor(
    handle: Listener,
    { tls, proxies, edge }: { tls?: ServerTls | undefined; proxies?: TrustedProxies | undefined; edge: Edge },
  ) {
    this.#edge = edge;
    const listener: Listener = (request, response) => {
      if ('stream' in request) forgetRest(request);
      else if (!edge.http1(request.socket).admits(request, response as ServerResponse)) return;
      handle(request, response);
    };
    this.#server = tls ? this.#secureServer(listener, tls) : this.#clearTextServer(listener);
    if (proxies) takeProxyHeaders(this.#server, proxies);
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
      if (edge.http1(socket).hasBegunToAnswer) socket.destroy();
      else refuse(error, socket);
    });
    edge.guard(this.#server);
  }

  async listen(address: string): Promise<number> {
    const { host, port } = parseAddress(address);
    try {
      this.#server.listen({ host, port });
      await once(this.#server, 'listening');
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? new AddressInUse(address) : error;
    }
    return (this.#server.address() as AddressInfo).port;
  }

  /** Takes no more connections and no more calls on those that are open. Resolves when all are closed: see `Edge.ended`. */
  async close(graceMs: number): Promise<void> {
    if (!this.#server.listening) return;
    // Callers that have connected already are let in and told, where closing the port would cut them off.
    await nextTurn();
    const ended = this.#edge.ended([this.#server], graceMs);
    // That of HTTP servers cuts idle connections at once, and the calls that callers have just sent on them.
    NetServer.prototype.close.call(this.#server);
    this.#edge.close();
    let idle: NodeJS.Timeout | undefined;
    const firstWords = setTimeout(() => {
      // One that stays silent has nothing to lose.
      for (const socket of this.#undecided) socket.destroy();
      idle = setInterval(() => (this.#server as Http1Server).closeIdleConnections(), IDLE_CHECK_MS);
    }, FIRST_WORDS_MS);
    await ended;
    clearTimeout(firstWords);
    clearInterval(idle);
    // It also ends the looks at slow requests.
    this.#server.close();
  }

  #clearTextServer(listener: Listener): Http1Server {
    const http1 = createHttp1Server(http1Options(this.#edge.limits), listener);
    const http2 = createHttp2Server(
      http2Options(this.#edge.limits),
      listener as (..._: [Http2ServerRequest, Http2ServerResponse]) => void,
    );
    this.#edge.guardHttp2(http2);
    // The HTTP/1.1 server owns the port, because its time limits for slow requests start with `listen`.
    const acceptHttp1 = http1.listeners('connection');
    http1.removeAllListeners('connection');
    http1.on('connection', (socket: Socket) => {
      this.#undecided.add(socket);
      socket.once('close', () => this.#undecided.delete(socket));
      speaksHttp2(socket, (http2Spoken) => {
        this.#undecided.delete(socket);
        if (!http2Spoken) {
          this.#edge.http1(socket);
          for (const accept of acceptHttp1) accept.call(http1, socket);
          return;
        }
        // As HTTP/2 servers accept it; otherwise a caller that left would not be noticed.
        socket.allowHalfOpen = false;
        http2.emit('connection', socket);
      });
    });
    return http1;
  }

  #secureServer(listener: Listener, tls: ServerTls): Http2SecureServer {
    const { limits } = this.#edge;
    const callers = { requestCert: tls.isMutual, rejectUnauthorized: tls.isMutual };
    const options = { ...callers, ...tlsOptions(limits), ...http1Options(limits), ...http2Options(limits) };
    const server = createSecureServer({ allowHTTP1: true, ...tls.context, ...options }, listener);
    tls.onRenewal((context) => server.setSecureContext(context));
    server.on('secureConnection', (socket) => {
      // An error after the handshake has nobody else to take it.
      socket.on('error', () => socket.destroy());
      if (socket.alpnProtocol !== 'h2') this.#edge.http1(socket);
    });
    this.#edge.guardHttp2(server);
    return server;
  }
}

/** Statuses for what is not even a request; any other is a bad request. */
const STATUSES: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** Answers and waits a little for the caller to read it: a connection cut while bytes still come would lose the answer. */
function refuse(error: NodeJS.ErrnoException, socket: Socket): void {
  if (socket.writableEnded || socket.destroyed) return;
  const status = STATUSES[error.code ?? ''] ?? '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\nContent-Length: 0\r\n\r\n`);
  setTimeout(() => socket.destroy(), LAST_READ_MS).unref();
}

/**
 * Reads what still comes when the answer is complete: unread it would count against what the caller may send on this connection
 * (RFC 9113, 5.2). The edge ends it.
 */
function forgetRest(request: Http2ServerRequest): void {
  const { stream } = request;
  const forget = (): unknown => stream.readableEnded || request.on('data', () => {}).resume();
  // Node ends the answer to HEAD at once, and nobody reads the body of such a request.
  if (request.method === 'HEAD') forget();
  else stream.once('finish', forget);
}
