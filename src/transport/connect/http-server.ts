import { once } from 'node:events';
import { createServer as createHttp1Server, type Server as Http1Server, ServerResponse } from 'node:http';
import {
  createServer as createHttp2Server,
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { AddressInUse, parseAddress } from '../address.ts';
import type { ServerTls } from '../tls/server-tls.ts';
import type { HttpRequest, HttpResponse } from './http-route.ts';
import { speaksHttp2 } from './speaks-http2.ts';

type Listener = (request: HttpRequest, response: HttpResponse) => void;

/** How long a TLS handshake may take. */
const HANDSHAKE_MS = 10_000;
/** How long a refused caller gets to read why. */
const LAST_READ_MS = 500;
/** How often connections that have become idle are closed while the server stops. */
const IDLE_CHECK_MS = 50;

/** HTTP/1.1 and HTTP/2 on one port: told apart by ALPN with TLS, by the connection preface without (RFC 9113, 3.3 and 3.4). */
export class HttpServer {
  readonly #server: Http1Server | Http2SecureServer;
  readonly #sockets = new Set<Socket>();
  /** Connections that have not said yet which HTTP they speak. */
  readonly #undecided = new Set<Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();
  /** Answers over HTTP/1.1 that are not finished. */
  readonly #answers = new Set<ServerResponse>();

  constructor(handle: Listener, options: { tls?: ServerTls | undefined; maxConcurrentStreams: number }) {
    const listener: Listener = (request, response) => {
      if (response instanceof ServerResponse) this.#watchAnswer(response);
      handle(request, response);
    };
    const settings = { maxConcurrentStreams: options.maxConcurrentStreams };
    this.#server = options.tls
      ? this.#watchSessions(secureServer(listener, options.tls, settings))
      : this.#clearTextServer(listener, settings);
    this.#server.on('clientError', refuse);
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
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

  /** Takes no more connections and no more calls on those that are open. Resolves when all are closed. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#undecided) socket.destroy();
    for (const session of this.#sessions) session.close();
    for (const answer of this.#answers) answer.shouldKeepAlive = false;
    const idle = setInterval(() => (this.#server as Http1Server).closeIdleConnections(), IDLE_CHECK_MS);
    await closed;
    clearInterval(idle);
  }

  /** Cuts what is still open. */
  destroy(): void {
    for (const session of this.#sessions) session.destroy();
    for (const socket of this.#sockets) socket.destroy();
  }

  #watchAnswer(answer: ServerResponse): void {
    this.#answers.add(answer);
    answer.once('close', () => this.#answers.delete(answer));
    if (!this.#server.listening) answer.shouldKeepAlive = false;
  }

  #watchSessions<S extends NodeJS.EventEmitter>(server: S): S {
    server.on('session', (session: ServerHttp2Session) => {
      this.#sessions.add(session);
      session.once('close', () => this.#sessions.delete(session));
      if (!this.#server.listening) session.close();
    });
    return server;
  }

  #clearTextServer(listener: Listener, settings: { maxConcurrentStreams: number }): Http1Server {
    const http1 = createHttp1Server(listener);
    const http2 = this.#watchSessions(
      createHttp2Server({ settings }, listener as (..._: [Http2ServerRequest, Http2ServerResponse]) => void),
    );
    // The HTTP/1.1 server owns the port, because its time limits for slow requests start with `listen`.
    const acceptHttp1 = http1.listeners('connection');
    http1.removeAllListeners('connection');
    http1.on('connection', (socket: Socket) => {
      this.#undecided.add(socket);
      socket.once('close', () => this.#undecided.delete(socket));
      speaksHttp2(socket, (http2Spoken) => {
        this.#undecided.delete(socket);
        if (!http2Spoken) {
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
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  setTimeout(() => socket.destroy(), LAST_READ_MS).unref();
}

function secureServer(listener: Listener, tls: ServerTls, settings: { maxConcurrentStreams: number }): Http2SecureServer {
  const callers = { requestCert: tls.isMutual, rejectUnauthorized: tls.isMutual };
  const server = createSecureServer(
    { allowHTTP1: true, ...tls.context, ...callers, settings, handshakeTimeout: HANDSHAKE_MS },
    listener,
  );
  tls.onRenewal((context) => server.setSecureContext(context));
  // An error after the handshake has nobody else to take it.
  server.on('secureConnection', (socket) => socket.on('error', () => socket.destroy()));
  return server;
}
