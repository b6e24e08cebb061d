import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { ConnectError } from '@connectrpc/connect';
import { mediaType } from '../media-type.ts';
import { unsupportedCompression, unsupportedContentType, unsupportedVerb } from '../refusal.ts';
import { SECURITY_HEADERS } from '../security-headers.ts';
import { toStatus } from './status.ts';
import { withoutPadding } from './wire-rules.ts';

/** What is served here; `+json` and gRPC-Web are other protocols (PROTOCOL-HTTP2.md, Content-Type). */
const CONTENT_TYPES: ReadonlySet<string> = new Set(['application/grpc', 'application/grpc+proto']);

/** What grpc-js undoes. */
const ENCODINGS: ReadonlySet<string> = new Set(['identity', 'deflate', 'gzip']);

/**
 * Refuses what is no gRPC call by its verb or its content type, which grpc-js would execute. The answer is an HTTP status, as the
 * protocol asks for, with a gRPC status for clients that look for one: the form in which grpc-go answers.
 *
 * Refuses compressions that are not known here, whether or not a message is compressed. It says which are, as compression.md
 * demands; grpc-js does not.
 */
export class RequestForm {
  readonly #verb = answer(405, unsupportedVerb(['POST']), { allow: 'POST' });
  readonly #contentType = answer(415, unsupportedContentType([...CONTENT_TYPES]));

  readonly #encoding = answer(200, unsupportedCompression([...ENCODINGS]), { 'grpc-accept-encoding': [...ENCODINGS].join(',') });

  /** True when it is refused, and nobody else has to do with it. */
  refuses(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean {
    const refused = this.#answerTo(headers);
    if (!refused) return false;
    // A caller that goes away at the same time is nobody's error.
    stream.on('error', ignore);
    // What the caller still sends is read and forgotten, so that its connection can go on.
    stream.resume();
    stream.respond(refused, { endStream: true });
    return true;
  }

  #answerTo(headers: IncomingHttpHeaders): OutgoingHttpHeaders | undefined {
    if (headers[':method'] !== 'POST') return this.#verb;
    const { 'content-type': contentType = '', 'grpc-encoding': encoding } = headers;
    if (!CONTENT_TYPES.has(contentType)) {
      // As grpc-js knows it: it does not compare without regard to case.
      headers['content-type'] = mediaType(contentType);
      if (!CONTENT_TYPES.has(headers['content-type'])) return this.#contentType;
    }
    return encoding === undefined || ENCODINGS.has(String(encoding)) ? undefined : this.#encoding;
  }
}

const ignore = (): void => {};

function answer(httpStatus: number, error: ConnectError, headers?: OutgoingHttpHeaders): OutgoingHttpHeaders {
  // A browser gets as far as this, with TLS.
  return { ...statusHeaders(error), ...SECURITY_HEADERS, ...headers, ':status': httpStatus };
}

/** An error as the only headers of an answer: what gRPC calls Trailers-Only. */
export function statusHeaders(error: ConnectError): OutgoingHttpHeaders {
  const { code, details, metadata } = toStatus(error);
  return withoutPadding({
    ':status': 200,
    'content-type': 'application/grpc+proto',
    'grpc-status': code,
    'grpc-message': encodeURI(details),
    ...metadata.toHttp2Headers(),
  });
}
