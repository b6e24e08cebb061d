import { constants, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { MessageKind } from '../../bus/convention.ts';
import { parseGrpcTimeout } from '../grpc-timeout.ts';
import type { Overload } from '../overload.ts';
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
 * - What is no gRPC call by its verb or its content type is refused, which grpc-js would execute.
 * - Answers are written as the protocol says.
 * - A call beyond what the instance can carry is refused here, for a small part of what it would cost later.
 */
export class Http2Edge {
  readonly #busPaths: ReadonlyMap<string, MessageKind | 'stream'>;
  readonly #otherPaths: ReadonlySet<string>;
  readonly #overload: Overload<ServerHttp2Stream> | undefined;
  readonly #form = new RequestForm();
  readonly #otherStreams = new Set<ServerHttp2Stream>();

  constructor(edge: {
    busPaths: ReadonlyMap<string, MessageKind | 'stream'>;
    otherPaths: ReadonlySet<string>;
    overload: Overload<ServerHttp2Stream> | undefined;
  }) {
    this.#busPaths = edge.busPaths;
    this.#otherPaths = edge.otherPaths;
    this.#overload = edge.overload;
  }

  /** Takes its place before grpc-js; the server is bound by now. */
  guard(server: Http2Server): void {
    // Not in front of them but instead: what is refused must not reach grpc-js.
    const passOn = server.listeners('stream');
    server.removeAllListeners('stream');
    server.on('stream', (...call: [ServerHttp2Stream, IncomingHttpHeaders, number, string[]]) => {
      const [stream, headers] = call;
      if (this.#form.refuses(stream, headers) || this.#refuses(stream, headers)) return;
      this.#onStream(stream, headers);
      for (const listener of passOn) listener.apply(server, call);
    });
  }

  /** Ends the calls of other services than the bus, such as a health watch, which has no end of its own. */
  endOtherStreams(): void {
    for (const stream of this.#otherStreams) stream.close(constants.NGHTTP2_CANCEL);
  }

  #refuses(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean {
    const kind = this.#busPaths.get(headers[':path'] ?? '');
    if (!this.#overload?.refuses(stream, { kind, connection: stream.session ?? stream })) return false;
    // A caller that goes away at the same time is nobody's error.
    stream.on('error', ignore);
    // What the caller still sends is read and forgotten, so that its connection can go on.
    stream.resume();
    return true;
  }

  #onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    answerByTheRules(stream);
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

const ignore = (): void => {};

const deadlineAfter = (timeout: string): string => String(Date.now() + (parseGrpcTimeout(timeout) ?? Number.NaN));
