import {
  constants,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import type { Server } from '@grpc/grpc-js';
import type { MessageKind } from '../../cqrs/convention.ts';
import { parseGrpcTimeout } from '../grpc-timeout.ts';
import type { Overload } from './overload.ts';
import { PingPolice, type PingRules } from './ping-police.ts';
import { RequestForm } from './request-form.ts';
import { answerByTheRules } from './wire-rules.ts';

/** Metadata that only this file sets: when the caller stops waiting, in milliseconds since the epoch, `NaN` for a bad grpc-timeout. */
export const DEADLINE_KEY = 'grpc-deadline';
/** Metadata that only this file sets: the path of a call that no handler has. */
export const UNKNOWN_PATH_KEY = 'grpc-unknown-path';
/** Where such a call goes instead. */
export const UNKNOWN_PATH = '/cqrs.v1/Unknown';

/**
 * Puts right, before grpc-js sees a call, what it does not let its users decide:
 *
 * - A deadline is ours alone. grpc-js would answer it itself, without details, by a second timer for each call; it overflows on
 *   timeouts over 24 days, and calls a malformed one INTERNAL.
 * - An unknown method gets a handler, so that its error has details too.
 * - A caller that pings too often is sent away (gRFC A8), which grpc-js leaves out.
 * - What is no gRPC call by its verb or its content type is refused, which grpc-js would execute.
 * - Answers are written as the protocol says.
 * - A call beyond what the instance can carry is refused here, for a small part of what it would cost later.
 */
export class Http2Edge {
  readonly #busPaths: ReadonlyMap<string, MessageKind | 'stream'>;
  readonly #otherPaths: ReadonlySet<string>;
  readonly #pings: PingRules;
  readonly #overload: Overload | undefined;
  readonly #form = new RequestForm();
  readonly #police = new WeakMap<object, PingPolice>();
  readonly #otherStreams = new Set<ServerHttp2Stream>();
  readonly #sockets = new Set<Socket>();

  constructor(edge: {
    busPaths: ReadonlyMap<string, MessageKind | 'stream'>;
    otherPaths: ReadonlySet<string>;
    pings: PingRules;
    overload: Overload | undefined;
  }) {
    this.#busPaths = edge.busPaths;
    this.#otherPaths = edge.otherPaths;
    this.#pings = edge.pings;
    this.#overload = edge.overload;
  }

  /** Takes its place before grpc-js; the server is bound by now. */
  guard(server: Server): void {
    for (const http2Server of http2ServersOf(server)) {
      http2Server.on('connection', (socket: Socket) => {
        this.#sockets.add(socket);
        socket.once('close', () => this.#sockets.delete(socket));
      });
      http2Server.on('session', (session: ServerHttp2Session) => this.#police.set(session, new PingPolice(session, this.#pings)));
      // Not in front of them but instead: what is refused must not reach grpc-js.
      const passOn = http2Server.listeners('stream');
      http2Server.removeAllListeners('stream');
      http2Server.on('stream', (...call: [ServerHttp2Stream, IncomingHttpHeaders, number, string[]]) => {
        const [stream, headers] = call;
        if (this.#form.refuses(stream, headers) || this.#refuses(stream, headers)) return;
        this.#onStream(stream, headers);
        for (const listener of passOn) listener.apply(http2Server, call);
      });
    }
  }

  /** Ends the calls of other services than the bus, such as a health watch, which has no end of its own. */
  endOtherStreams(): void {
    for (const stream of this.#otherStreams) stream.close(constants.NGHTTP2_CANCEL);
  }

  /** Ends every connection, whatever is under way on it. */
  cutConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Streams have a limit of their own, and are few. */
  #refuses(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean {
    const kind = this.#busPaths.get(headers[':path'] ?? '');
    return kind !== undefined && kind !== 'stream' && this.#overload?.refuses(stream, kind) === true;
  }

  #onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    answerByTheRules(stream);
    if (stream.session) this.#police.get(stream.session)?.watch(stream);
    const timeout = headers['grpc-timeout'];
    headers['grpc-timeout'] = undefined;
    headers[DEADLINE_KEY] = typeof timeout === 'string' ? deadlineAfter(timeout) : undefined;

    headers[UNKNOWN_PATH_KEY] = undefined;
    const path = headers[':path'] ?? '';
    if (this.#busPaths.has(path)) return;
    this.#otherStreams.add(stream);
    stream.once('close', () => this.#otherStreams.delete(stream));
    if (this.#otherPaths.has(path)) return;
    headers[UNKNOWN_PATH_KEY] = encodeURI(path);
    headers[':path'] = UNKNOWN_PATH;
  }
}

const deadlineAfter = (timeout: string): string => String(Date.now() + (parseGrpcTimeout(timeout) ?? Number.NaN));

/** grpc-js keeps its HTTP/2 servers to itself; the version is pinned, and a test fails if they are gone. */
function http2ServersOf(server: Server): Iterable<Http2Server> {
  const servers = (server as unknown as { http2Servers?: ReadonlyMap<Http2Server, unknown> }).http2Servers;
  if (!servers?.size) throw new Error('@grpc/grpc-js has changed: its HTTP/2 servers are not where they were');
  return servers.keys();
}
