import type { DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { Interceptor, UnaryResponse } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import type { Bench } from './bench.ts';
import type { Subject } from './subjects/subject.ts';

interface Question<M extends DescMethodUnary> {
  readonly subject: Subject;
  readonly method: M;
  readonly request: MessageInitShape<M['input']>;
}

/** Calls a method of a subject over gRPC, as any client would. */
export async function ask<M extends DescMethodUnary>(bench: Bench, question: Question<M>): Promise<MessageShape<M['output']>> {
  return (await answerOf(bench, question)).message as MessageShape<M['output']>;
}

/** The headers of such an answer. */
export async function headersOf<M extends DescMethodUnary>(bench: Bench, question: Question<M>): Promise<Headers> {
  return (await answerOf(bench, question)).header;
}

async function answerOf<M extends DescMethodUnary>(
  bench: Bench,
  { subject, method, request }: Question<M>,
): Promise<UnaryResponse> {
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
  return await transport.unary(method, undefined, undefined, undefined, request);
}
