import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from 'node:http2';
import { fromBinary } from '@bufbuild/protobuf';
import { ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { StatusSchema } from '#gen/google/rpc/status_pb.js';

/** What a gRPC call ended with, read from the wire. */
export interface WireAnswer {
  readonly httpStatus: number | undefined;
  readonly grpcStatus: number | undefined;
  readonly message: string;
  readonly reason: string | undefined;
  readonly rstCode: number;
  readonly body: Buffer;
  /** Headers and trailers. */
  readonly headers: Readonly<Record<string, unknown>>;
}

/** A gRPC frame, as it should be. */
export function frame(message: Uint8Array, { compressed = false } = {}): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(compressed ? 1 : 0, 0);
  head.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([head, message]);
}

export async function withSession<T>(port: number, use: (session: ClientHttp2Session) => Promise<T>): Promise<T> {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  await once(session, 'remoteSettings');
  try {
    return await use(session);
  } finally {
    session.destroy();
  }
}

/** Opens a gRPC call with any headers; what is sent is up to the caller. */
export function openCall(session: ClientHttp2Session, path: string, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  stream.on('error', () => undefined);
  return stream;
}

/** Sends bytes as the body of a gRPC call and reads the answer. */
export async function callRaw(
  port: number,
  { path, body, headers }: { path: string; body: Uint8Array; headers?: OutgoingHttpHeaders },
): Promise<WireAnswer> {
  return withSession(port, async (session) => {
    const stream = openCall(session, path, headers);
    let head: Record<string, unknown> = {};
    let trailers: Record<string, unknown> = {};
    const chunks: Buffer[] = [];
    stream.on('response', (received) => {
      head = received;
    });
    stream.on('trailers', (received) => {
      trailers = received;
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    const closed = new Promise((resolve) => stream.once('close', resolve));
    stream.end(body);
    await closed;
    const all: Record<string, unknown> = { ...head, ...trailers };
    const { 'grpc-status': status, 'grpc-message': message, 'grpc-status-details-bin': details } = all;
    return {
      httpStatus: all[':status'] as number | undefined,
      grpcStatus: status === undefined ? undefined : Number(status),
      message: decodeURIComponent(String(message ?? '')),
      reason: details === undefined ? undefined : reasonIn(Buffer.from(String(details), 'base64')),
      rstCode: stream.rstCode,
      body: Buffer.concat(chunks),
      headers: all,
    };
  });
}

function reasonIn(status: Uint8Array): string | undefined {
  const detail = fromBinary(StatusSchema, status).details.find(({ typeUrl }) => typeUrl.endsWith(ErrorInfoSchema.typeName));
  return detail && fromBinary(ErrorInfoSchema, detail.value).reason;
}
