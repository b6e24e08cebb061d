import { Code, ConnectError } from '@connectrpc/connect';
import type { UniversalHandler, UniversalServerRequest, UniversalServerResponse } from '@connectrpc/connect/protocol';
import { FrameFlags } from './frame-flags.ts';

const BINARY = 'application/grpc-web';
const TEXT = `${BINARY}-text`;

/**
 * Serves gRPC-Web in base64 (`application/grpc-web-text`), which old browsers need to read a stream, by a handler of gRPC-Web itself.
 * Each part of the text can end with padding of its own (PROTOCOL-WEB.md, Text-encoded streams).
 */
export async function serveText(rpc: UniversalHandler, request: UniversalServerRequest): Promise<UniversalServerResponse> {
  const { body: text } = request;
  if (!isAsyncIterable(text)) throw new TypeError('the body was read before');
  const header = new Headers(request.header);
  header.set('content-type', (header.get('content-type') ?? '').replace(TEXT, BINARY));
  const response = await rpc({ ...request, header, body: decoded(text) });
  if (!response.body) return response;
  const answerHeader = new Headers(response.header);
  answerHeader.set('content-type', (answerHeader.get('content-type') ?? '').replace(BINARY, TEXT));
  return { ...response, header: answerHeader, body: encoded(response.body) };
}

function isAsyncIterable(body: UniversalServerRequest['body']): body is AsyncIterable<Uint8Array> {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body;
}

/** A number of whole groups of four characters, the last of which may be padded. */
const PART = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

async function* decoded(text: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const flags = new FrameFlags();
  let rest = '';
  for await (const chunk of text) {
    rest += Buffer.from(chunk).toString('latin1');
    const whole = rest.slice(0, rest.length - (rest.length % 4));
    rest = rest.slice(whole.length);
    if (!whole) continue;
    const bytes = decode(whole);
    flags.check(bytes);
    yield bytes;
  }
  if (rest) throw malformed();
}

function decode(text: string): Uint8Array {
  const parts = text.split(/(?<==)(?!=)/);
  if (!parts.every((part) => PART.test(part))) throw malformed();
  return Buffer.concat(parts.map((part) => Buffer.from(part, 'base64')));
}

const malformed = (): ConnectError => new ConnectError('the text is not base64', Code.InvalidArgument);

async function* encoded(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) yield Buffer.from(Buffer.from(chunk).toString('base64'));
}
