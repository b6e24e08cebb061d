import { create, type DescMethod } from '@bufbuild/protobuf';
import { Answer } from '../../../src/kernel/bus/answer.ts';
import { Call, type Message } from '../../../src/kernel/bus/call.ts';
import { callKind } from '../../../src/kernel/bus/convention.ts';
import type { Middleware, Next } from '../../../src/kernel/bus/middleware.ts';

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

/** The middleware for the rpc, around what answers. */
export function around({ around }: Middleware, method: DescMethod, answer: Next): Next {
  return around(method, callKind(method))?.(answer) ?? answer;
}

/** Sends the call through one middleware to a handler that answers with `message`, or fails when that is an error. */
export function pass(
  middleware: Middleware,
  call: Call,
  message: Message | AsyncIterable<Message> | Error = create(call.method.output),
): Promise<Answer> {
  const answer = async (): Promise<Answer> => {
    if (message instanceof Error) throw message;
    return new Answer(call.method, message);
  };
  return around(middleware, call.method, answer)(call);
}
