import { type ClientHttp2Session, connect } from 'node:http2';
import type { DescMethod } from '@bufbuild/protobuf';
import type { Bench } from '../bench.ts';
import type { Subject } from '../subjects/subject.ts';

/** Open streams of an rpc. Their messages are not decoded: what is measured is the service. */
export interface GrpcStreams {
  readonly close: () => void;
}

/** Where streams go, and who is told of each of their messages. */
export interface StreamOptions {
  readonly subject: Subject;
  readonly method: DescMethod;
  /** One stream for each: framed requests. */
  readonly bodies: readonly Uint8Array[];
  readonly perConnection: number;
  /** Told of the messages that came together at a stream: how many, and the last of them. */
  readonly came: (stream: number, count: number, last: Buffer) => void;
}

/** Opens streams of the primary, as an administrator. */
export async function openStreams(
  bench: Bench,
  { subject, method, bodies, perConnection, came }: StreamOptions,
): Promise<GrpcStreams> {
  const authorization = await bench.authorization();
  const sessions: ClientHttp2Session[] = [];
  function sessionOf(index: number): ClientHttp2Session {
    const open = sessions[Math.floor(index / perConnection)];
    if (open) return open;
    const session = connect(`http://127.0.0.1:${subject.grpcPort}`, { settings: { initialWindowSize: 1 << 20 } });
    session.on('error', () => {});
    sessions.push(session);
    return session;
  }
  for (const [index, body] of bodies.entries()) {
    const call = sessionOf(index).request({
      ':method': 'POST',
      ':path': `/${method.parent.typeName}/${method.name}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      authorization,
      'cqrs-consistency': 'strong',
    });
    let rest: Buffer<ArrayBufferLike> = Buffer.alloc(0);
    call.on('error', () => {});
    call.on('trailers', (trailers) => {
      throw new Error(`a stream ended with status ${trailers['grpc-status']}: ${trailers['grpc-message']}`);
    });
    call.on('data', (chunk: Buffer) => {
      const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
      const { count, last, end } = messagesIn(bytes);
      rest = bytes.subarray(end);
      if (last) came(index, count, last);
    });
    call.end(body);
  }
  return {
    close: () => {
      for (const session of sessions) session.destroy();
    },
  };
}

/** The whole messages at the beginning of the bytes. */
function messagesIn(bytes: Buffer): { count: number; last: Buffer | undefined; end: number } {
  let [count, end] = [0, 0];
  let last: Buffer | undefined;
  while (bytes.length >= end + 5) {
    const next = end + 5 + bytes.readUInt32BE(end + 1);
    if (bytes.length < next) break;
    last = bytes.subarray(end + 5, next);
    end = next;
    count += 1;
  }
  return { count, last, end };
}
