import type { DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { Interceptor } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import type { Bench } from './bench.ts';
import type { Subject } from './subjects/subject.ts';

/** Calls a method of a subject over gRPC, as any client would. */
export async function ask<M extends DescMethodUnary>(
  bench: Bench,
  { subject, method, request }: { subject: Subject; method: M; request: MessageInitShape<M['input']> },
): Promise<MessageShape<M['output']>> {
  const authorization = await bench.authorization();
  const authorize: Interceptor = (next) => (call) => {
    call.header.set('authorization', authorization);
    return next(call);
  };
  const transport = createGrpcTransport({
    baseUrl: `http://127.0.0.1:${subject.grpcPort}`,
    interceptors: [authorize],
    // The connection closes soon after: the benchmark ends when all of them have.
    idleConnectionTimeoutMs: 100,
  });
  const { message } = await transport.unary(method, undefined, undefined, undefined, request);
  return message as MessageShape<M['output']>;
}
