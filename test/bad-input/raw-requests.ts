import { Agent, type OutgoingHttpHeaders, request as startRequest } from 'node:http';
import { connect, constants } from 'node:http2';
import { text as textOf } from 'node:stream/consumers';

/** A request exactly as a test wants it, whatever a protocol says. */
export interface RawRequest {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly trailers: Headers;
  readonly body: Buffer;
}

/** One connection to a door, used for every request. `send` rejects when it breaks or the request is cut off unanswered. */
export interface Line {
  readonly send: (request: RawRequest) => Promise<RawAnswer>;
  readonly close: () => void;
}

/** HTTP/2 without TLS, by prior knowledge. */
export function http2Line(port: number): Line {
  const session = connect(`http://127.0.0.1:${port}`, { maxSessionMemory: 100 });
  session.on('error', () => {});
  return {
    close: () => session.destroy(),
    send: ({ path, method = 'POST', headers = {}, body = Buffer.alloc(0) }) =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ...headers, ':path': path, ':method': method });
        let status = 0;
        let answered = new Headers();
        let trailers = new Headers();
        const chunks: Buffer[] = [];
        stream.on('response', ({ ':status': received = 0, ...rest }) => {
          status = received;
          answered = toHeaders(rest);
        });
        stream.on('trailers', (received) => {
          trailers = toHeaders(received);
        });
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          if (status === 0) return;
          resolve({ status, headers: answered, trailers, body: Buffer.concat(chunks) });
          // As clients do that still send when they have their answer.
          if (!stream.writableFinished) stream.close(constants.NGHTTP2_CANCEL);
        });
        // Does nothing when the answer was complete: a server may stop reading once it has answered.
        stream.on('error', reject);
        stream.on('close', () => reject(new Error(`the stream was closed unanswered (${stream.rstCode})`)));
        // A GET has ended with its headers.
        if (!stream.writableEnded) stream.end(body);
      }),
  };
}

/** HTTP/1.1, one connection that is kept open. */
export function http1Line(port: number, { connections = 1 } = {}): Line {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  return {
    close: () => agent.destroy(),
    send: ({ path, method = 'POST', headers = {}, body }) =>
      new Promise((resolve, reject) => {
        const length = body && headers['transfer-encoding'] === undefined ? { 'content-length': String(body.byteLength) } : {};
        const request = startRequest({ agent, host: '127.0.0.1', port, path, method, headers: { ...headers, ...length } });
        request.on('error', reject);
        request.on('response', (response) => {
          textOf(response.setEncoding('latin1')).then((body) => {
            const answer = { status: response.statusCode ?? 0, headers: toHeaders(response.headers) };
            resolve({ ...answer, trailers: toHeaders(response.trailers), body: Buffer.from(body, 'latin1') });
          }, reject);
        });
        request.end(body);
      }),
  };
}

function toHeaders(received: OutgoingHttpHeaders): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(received)) if (!name.startsWith(':')) headers.set(name, String(value));
  return headers;
}
