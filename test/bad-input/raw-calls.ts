import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { DescMethod } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { errorFromJsonBytes } from '@connectrpc/connect/protocol-connect';
import { findTrailerError } from '@connectrpc/connect/protocol-grpc';
import type { Line, RawAnswer } from './raw-requests.ts';

/** A call whose message is bytes of the test's own making. */
export interface RawCall {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Answers the bytes of the answer's message. Rejects with the ConnectError the door answered, or when the connection breaks. */
export type SendRaw = (call: RawCall) => Promise<Uint8Array>;

export const pathOf = (method: DescMethod): string => `/${method.parent.typeName}/${method.name}`;

/** A message as gRPC frames it; `flag` 1 says that it is compressed. */
export function framed(message: Uint8Array, flag = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flag, 0);
  prefix.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([prefix, message]);
}

const GRPC_HEADERS = { 'content-type': 'application/grpc', te: 'trailers' };

/** Calls by gRPC with a body that is already framed, or is not. */
export function grpcFrames(line: Line): SendRaw {
  return async ({ path, headers, body }) => {
    const answer = await line.send({ path, headers: { ...GRPC_HEADERS, ...headers }, body });
    if (answer.status !== 200) throw new Error(`the gRPC door answered HTTP ${answer.status}`);
    const error = findTrailerError(answer.trailers) ?? findTrailerError(answer.headers);
    if (error) throw error;
    return answer.body.subarray(5);
  };
}

/** Calls by gRPC with one message. */
export function grpcMessages(line: Line): SendRaw {
  const send = grpcFrames(line);
  return (call) => send({ ...call, body: framed(call.body) });
}

/** Calls by the Connect protocol with one message in protobuf, or in JSON. */
export function connectMessages(line: Line, encoding: 'proto' | 'json'): SendRaw {
  return async ({ path, headers, body }) =>
    connectOutcome(await line.send({ path, headers: { 'content-type': `application/${encoding}`, ...headers }, body }));
}

/** What Connect answered a unary call: its body, or the error thrown. */
export function connectOutcome({ status, headers, body }: RawAnswer): Uint8Array {
  if (status === 200) return decompressed(body, headers);
  if (headers.get('content-type') !== 'application/json')
    throw new Error(`the Connect door answered HTTP ${status} without an error`);
  throw errorFromJsonBytes(decompressed(body, headers), undefined, new ConnectError(`HTTP ${status}: ${body}`, Code.Unknown));
}

function decompressed(body: Buffer, headers: Headers): Buffer {
  switch (headers.get('content-encoding')) {
    case 'gzip':
      return gunzipSync(body);
    case 'br':
      return brotliDecompressSync(body);
    default:
      return body;
  }
}
