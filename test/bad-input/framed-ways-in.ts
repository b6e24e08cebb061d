import { gunzipSync } from 'node:zlib';
import { type DescMethod, fromBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { errorFromJsonBytes } from '@connectrpc/connect/protocol-connect';
import { findTrailerError } from '@connectrpc/connect/protocol-grpc';
import fc from 'fast-check';
import type { Cast } from './cast.ts';
import { encoded, messageOf, sometimesBroken } from './generated-messages.ts';
import { connectOutcome, framed, pathOf } from './raw-calls.ts';
import type { Line, RawAnswer } from './raw-requests.ts';
import { attempt, metadataOf, TIMEOUTS, type WayIn } from './ways-in.ts';

/** Frames of gRPC, whole and broken, to the gRPC door. */
export const overGrpcFrames = (line: Line): WayIn => overFrames(line, 'application/grpc');

/** Frames of gRPC-Web, whole and broken, to the Connect door. */
export const overGrpcWeb = (line: Line): WayIn => overFrames(line, 'application/grpc-web+proto');

/** One call in ten says that it is of another kind than it is. */
function overFrames(line: Line, contentType: string): WayIn {
  const protocol = { 'grpc-timeout': TIMEOUTS, 'grpc-encoding': fc.constantFrom('gzip', 'identity', 'nonsense') };
  const contentTypes = fc.oneof(
    { weight: 9, arbitrary: fc.constant(contentType) },
    { weight: 1, arbitrary: fc.constantFrom('application/grpc', 'application/json', 'text/plain', 'application/', '"') },
  );
  return {
    close: () => line.close(),
    attempts: (method, cast) =>
      fc
        .record({ headers: metadataOf(cast, protocol), contentType: contentTypes, body: framesOf(method, cast) })
        .map((generated) =>
          attempt(generated, async ({ headers, contentType, body }) => {
            const given = { ...headers, 'content-type': contentType, te: 'trailers' };
            const answer = await line.send({ path: pathOf(method), headers: given, body });
            const message = messageIn(answer);
            return isJson(answer) ? message : fromBinary(method.output, message);
          }),
        ),
  };
}

const contentTypeOf = ({ headers }: RawAnswer): string => headers.get('content-type') ?? '';
const isJson = (answer: RawAnswer): boolean => contentTypeOf(answer).startsWith('application/json');

/** The message that was answered, in the protocol that the answer is of. Throws the ConnectError that was, or when it cannot be understood. */
function messageIn(answer: RawAnswer): Uint8Array {
  if (isJson(answer)) return connectOutcome(answer);
  // A type that is of no protocol is answered with a problem of HTTP, which says what Connect says.
  if (contentTypeOf(answer) === 'application/problem+json') {
    throw errorFromJsonBytes(answer.body, undefined, new ConnectError(`HTTP ${answer.status}: ${answer.body}`, Code.Unknown));
  }
  return contentTypeOf(answer).startsWith('application/grpc-web') ? grpcWebOutcome(answer) : grpcOutcome(answer);
}

function framesOf(method: DescMethod, { likely }: Cast): fc.Arbitrary<Uint8Array> {
  const frames = messageOf(method.input, likely).map((message) => framed(encoded(method.input, message)));
  const flagged = fc.tuple(frames, fc.integer({ min: 0, max: 255 })).map(([frame, flag]) => framed(frame.subarray(5), flag));
  return fc.oneof(
    { weight: 6, arbitrary: sometimesBroken(frames) },
    { weight: 1, arbitrary: flagged },
    { weight: 1, arbitrary: fc.array(frames, { maxLength: 3 }).map((several) => Buffer.concat(several)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 2000 }) },
  );
}

function grpcOutcome({ status, headers, trailers, body }: RawAnswer): Uint8Array {
  const error = findTrailerError(trailers) ?? findTrailerError(headers);
  if (error) throw error;
  if (status !== 200 || trailers.get('grpc-status') !== '0') throw new Error(`HTTP ${status} without a status of gRPC`);
  return body.subarray(5);
}

/** The trailers of gRPC-Web are the last frame of the body, or the headers when there is no body. */
function grpcWebOutcome({ status, headers, body }: RawAnswer): Uint8Array {
  let message: Uint8Array | undefined;
  let trailers = headers;
  for (let at = 0; at < body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    const flags = body.readUInt8(at);
    const bytes = body.subarray(at + 5, end);
    // Whoever sends in gzip, and does not say what they take, is answered in gzip where that is worth it.
    const content = flags & 0x01 ? gunzipSync(bytes) : bytes;
    if (flags & 0x80) trailers = trailersOf(content.toString());
    else message = content;
    at = end;
  }
  const error = findTrailerError(trailers);
  if (error) throw error;
  if (status !== 200 || trailers.get('grpc-status') !== '0' || !message)
    throw new Error(`HTTP ${status} without a status of gRPC-Web`);
  return message;
}

function trailersOf(text: string): Headers {
  const lines = text.split('\r\n').filter((line) => line !== '');
  return new Headers(
    lines.map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  );
}
