import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';

/**
 * Has the answers on a stream written as gRPC over HTTP/2 says, which grpc-js does not:
 *
 * - Binary values are base64 without padding: "implementations MUST accept padded and un-padded values and should emit un-padded
 *   values" (PROTOCOL-HTTP2.md, Requests). With padding, they cannot be told apart where a client looks for the end of a value.
 * - `grpc-message` describes an error (PROTOCOL-HTTP2.md, Responses): there is none beside status 0.
 *
 * The functions are the same for every stream: a call pays for two assignments and for looking at the names of its headers.
 */
export function answerByTheRules(stream: ServerHttp2Stream): void {
  stream.respond = respond;
  stream.sendTrailers = sendTrailers;
}

/** Takes the padding off binary values, in place. */
export function withoutPadding<H extends OutgoingHttpHeaders>(headers: H): H {
  for (const name in headers) {
    if (!name.endsWith('-bin')) continue;
    const value = headers[name];
    (headers as OutgoingHttpHeaders)[name] = Array.isArray(value) ? value.map(unpadded) : unpadded(String(value));
  }
  return headers;
}

const unpadded = (base64: string): string => base64.replace(/={1,2}$/, '');

function respond(this: ServerHttp2Stream, ...[headers, options]: Parameters<ServerHttp2Stream['respond']>): void {
  const { respond: send } = Object.getPrototypeOf(this) as ServerHttp2Stream;
  send.call(this, headers && withoutPadding(headers as OutgoingHttpHeaders), options);
}

function sendTrailers(this: ServerHttp2Stream, trailers: OutgoingHttpHeaders): void {
  if (trailers['grpc-status'] === 0) delete trailers['grpc-message'];
  const { sendTrailers: send } = Object.getPrototypeOf(this) as ServerHttp2Stream;
  send.call(this, withoutPadding(trailers));
}
