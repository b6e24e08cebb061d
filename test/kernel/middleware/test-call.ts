import { create, type DescMethod } from '@bufbuild/protobuf';
import type { Interceptor, StreamRequest, UnaryRequest } from '@connectrpc/connect';
import { Answer, answerOf, type ConnectResponse, toResponse } from '../../../src/kernel/bus/answer.ts';
import { Call, type Message } from '../../../src/kernel/bus/call.ts';

/** A call as a door makes it. */
export function callTo(
  method: DescMethod,
  { request = {}, header = {}, id }: { request?: Record<string, unknown>; header?: Record<string, string>; id?: string } = {},
): Call {
  return new Call({
    method,
    request: create(method.input, request),
    origin: { door: 'grpc', peer: '192.0.2.1:4711', deadline: undefined, requestMethod: 'POST' },
    header: () => new Headers(header),
    ...(id !== undefined && { id }),
  });
}

/** Sends the call through one interceptor to a handler that answers with `message`, or fails when that is an error. */
export async function pass(
  interceptor: Interceptor,
  call: Call,
  message: Message | AsyncIterable<Message> | Error = create(call.method.output),
): Promise<Answer> {
  const next = async (): Promise<ConnectResponse> => {
    if (message instanceof Error) throw message;
    return toResponse(new Answer(call.method, message));
  };
  return answerOf(await interceptor(next)(call as unknown as UnaryRequest | StreamRequest));
}
