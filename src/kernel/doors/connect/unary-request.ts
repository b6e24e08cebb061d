import type { DescMessage, DescMethod } from '@bufbuild/protobuf';
import { base64Decode } from '@bufbuild/protobuf/wire';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import { type Compression, compressionNegotiate, type MethodSerializationLookup } from '@connectrpc/connect/protocol';
import { parseTimeout } from '@connectrpc/connect/protocol-connect';
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node';
import type { Message } from '../../bus/call.ts';
import type { HttpRequest } from './http-route.ts';
import type { RequestBody } from './request-body.ts';

export const COMPRESSIONS = [compressionGzip, compressionBrotli];

/** A unary request of Connect's protocol. */
export interface UnaryRequest {
  readonly message: Message;
  readonly isBinary: boolean;
  /** How the caller takes a large answer. */
  readonly compression: Compression | null;
  /** In milliseconds since the epoch. */
  readonly deadline: number | undefined;
}

/** The forms of a message, by content type. */
const BINARY: ReadonlyMap<string | undefined, boolean> = new Map([
  ['application/json', false],
  ['application/proto', true],
]);

/**
 * Reads the requests of an rpc that are in form, with the functions of Connect's own handler. Undefined for any other: that handler is to say what is wrong
 * with it, and finds the body as it came.
 */
export function readUnary(
  method: DescMethod,
  { serialization, maxBytes }: { serialization: MethodSerializationLookup<DescMessage, DescMessage>; maxBytes: number },
): (request: HttpRequest, body: RequestBody) => Promise<UnaryRequest | undefined> {
  const verbs = method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS ? ['POST', 'GET'] : ['POST'];
  return async (request, body) => {
    const { headers, url = '' } = request;
    // A target has no fragment. Connect would cut it off.
    if (!verbs.includes(request.method ?? '') || url.includes('#')) return undefined;
    const query = request.method === 'GET' ? new URLSearchParams(url.slice(url.indexOf('?') + 1)) : undefined;
    const isBinary = BINARY.get(query ? `application/${query.get('encoding')}` : headers['content-type']);
    const timeout = parseTimeout(headers['connect-timeout-ms']?.toString() ?? null, Number.MAX_SAFE_INTEGER);
    const compression = compressionNegotiate(
      COMPRESSIONS,
      query ? query.get('compression') : (headers['content-encoding'] ?? null),
      headers['accept-encoding']?.toString() ?? null,
      'accept-encoding',
    );
    if (isBinary === undefined || timeout.error || compression.error) return undefined;
    const deadline = timeout.timeoutMs === undefined ? undefined : Date.now() + timeout.timeoutMs;
    try {
      const read = query ? messageIn(query) : await body.whole(maxBytes, headers['content-length']);
      const bytes = read && compression.request ? await compression.request.decompress(read, maxBytes) : read;
      if (!bytes) return undefined;
      return { message: serialization.getI(isBinary).parse(bytes), isBinary, compression: compression.response, deadline };
    } catch {
      return undefined;
    }
  };
}

function messageIn(query: URLSearchParams): Uint8Array<ArrayBuffer> {
  const message = query.get('message') ?? '';
  return query.get('base64') === '1' ? base64Decode(message) : Buffer.from(message);
}
