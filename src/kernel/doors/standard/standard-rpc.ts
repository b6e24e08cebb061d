import {
  create,
  type DescMethod,
  type DescMethodBiDiStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import { Answer } from '../../bus/answer.ts';
import { composed, type Next } from '../../bus/around.ts';
import type { Rpc } from '../../bus/bus.ts';
import type { Call, Message } from '../../bus/call.ts';
import { callKind } from '../../bus/convention.ts';
import { type Middleware, middlewareOf } from '../../bus/middleware.ts';

/**
 * An rpc of a service that users of gRPC expect at any server, such as a health check. It is no message of the bus: doors serve it
 * beside the bus, and it passes only the middleware that it is given.
 */
export function unaryRpc<M extends DescMethodUnary>(
  method: M,
  middleware: readonly Middleware[],
  handle: (request: MessageShape<M['input']>) => MessageInitShape<M['output']>,
): Rpc {
  const answer = (call: Call): Message => create(method.output, handle(call.request as MessageShape<M['input']>));
  return rpcOf(method, middleware, async (call) => new Answer(method, answer(call)));
}

/** The same for an rpc that answers with a stream; one that also takes a stream finds it in `call.requests`. */
export function streamRpc<M extends DescMethodServerStreaming | DescMethodBiDiStreaming>(
  method: M,
  middleware: readonly Middleware[],
  handle: (call: Call) => AsyncIterable<MessageInitShape<M['output']>>,
): Rpc {
  return rpcOf(method, middleware, async (call) => new Answer(method, created(method, handle(call))));
}

function rpcOf(method: DescMethod, middleware: readonly Middleware[], answer: Next): Rpc {
  const passed = middlewareOf(middleware, method, callKind(method));
  return {
    method,
    dispatch: composed(
      passed.map(({ around }) => around),
      answer,
    ),
  };
}

async function* created(
  method: DescMethod,
  messages: AsyncIterable<MessageInitShape<DescMethod['output']>>,
): AsyncGenerator<Message> {
  for await (const message of messages) yield create(method.output, message);
}
