import { create, type DescMessage, type DescMethod, type MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError, type ContextValues, type Transport } from '@connectrpc/connect';
import type { Answer } from '../bus/answer.ts';
import type { Bus, Route } from '../bus/bus.ts';
import { Call, type Message } from '../bus/call.ts';
import { methodName } from '../bus/convention.ts';
import { CallCanceled } from '../bus/errors.ts';
import { asStreamResponse, asUnaryResponse } from '../bus/interceptor.ts';
import { unknownMethod } from './refusal.ts';

/** How a caller in this process calls: the parameters of Connect's `Transport`, by name. */
interface LocalCall {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  readonly header: Parameters<Transport['unary']>[3];
  readonly contextValues: ContextValues | undefined;
}

/**
 * A Connect `Transport` that calls the bus directly, without a network and without serialization:
 *
 * ```ts
 * const users = createClient(CommandService, inProcessTransport(bus));
 * ```
 *
 * Messages are passed on, not copied: the caller leaves a request alone until it is answered. `contextValues` reach the middleware
 * as they are, so that the caller can set the principal beforehand. Errors are those of the other doors.
 *
 * Who leaves a stream of this transport before its end cancels the call. Who reads it by one of Connect's clients aborts the `signal`, as
 * over a network: these do not pass on that a `for await` was left, and until then the call keeps what it holds, such as a connection to
 * the database.
 */
export function inProcessTransport(bus: Pick<Bus, 'get'>): Transport {
  return {
    async unary<I extends DescMessage, O extends DescMessage>(
      ...[method, signal, timeoutMs, header, input, contextValues]: Parameters<Transport['unary']>
    ) {
      const route = routeOf(bus, method);
      const local = { signal, timeoutMs, header, contextValues };
      const { call, release } = receive(route, input, local);
      try {
        const answer = await route.dispatch(call);
        return asUnaryResponse<I, O>(answer);
      } finally {
        release();
      }
    },
    async stream<I extends DescMessage, O extends DescMessage>(
      ...[method, signal, timeoutMs, header, input, contextValues]: Parameters<Transport['stream']>
    ) {
      const route = routeOf(bus, method);
      const local = { signal, timeoutMs, header, contextValues };
      const { call, release } = receive(route, await firstOf(input), local);
      try {
        const answer = (await route.dispatch(call)) as Answer<AsyncIterable<Message>>;
        return asStreamResponse<I, O>(answer.withMessage(leaving(answer.message, { call, release })));
      } catch (error) {
        release();
        throw error;
      }
    },
  };
}

function routeOf(bus: Pick<Bus, 'get'>, method: DescMethod): Route {
  const name = methodName(method);
  const route = bus.get(name);
  if (!route) throw unknownMethod(name);
  return route;
}

function receive(
  { method }: Route,
  message: MessageInitShape<DescMessage>,
  { signal, timeoutMs, header, contextValues }: LocalCall,
): { call: Call; release: () => void } {
  const call = new Call({
    method,
    request: create(method.input, message),
    origin: {
      door: 'in-process',
      peer: '',
      // As in Connect's other transports, a timeout of 0 is none.
      deadline: timeoutMs === undefined || timeoutMs <= 0 ? undefined : Date.now() + timeoutMs,
      requestMethod: 'POST',
    },
    header: () => new Headers(header),
    contextValues,
  });
  const cancel = (): void => call.cancellation.cancel(new CallCanceled());
  if (signal?.aborted) cancel();
  signal?.addEventListener('abort', cancel);
  return { call, release: () => signal?.removeEventListener('abort', cancel) };
}

/** The bus has no rpc that takes more than one message. */
async function firstOf(messages: AsyncIterable<MessageInitShape<DescMessage>>): Promise<MessageInitShape<DescMessage>> {
  for await (const message of messages) return message;
  throw new ConnectError('a server-streaming call needs one request message', Code.InvalidArgument);
}

/**
 * The stream, of which a reader who leaves cancels the call, also while the next message is awaited. A call that is canceled is over at once,
 * whether its reader reads on or not.
 */
function leaving(
  messages: AsyncIterable<Message>,
  { call, release }: { call: Call; release: () => void },
): AsyncIterable<Message> {
  const source = released(messages, release);
  let isRead = false;
  /** How the call ended that was canceled while nobody read. */
  let end: Promise<IteratorResult<Message>> | undefined;
  async function read(): Promise<IteratorResult<Message>> {
    isRead = true;
    try {
      return await source.next();
    } finally {
      isRead = false;
    }
  }
  call.cancellation.onCancel(() => {
    if (isRead) return;
    end = source.next();
    end.catch(() => {});
  });
  return {
    [Symbol.asyncIterator]: () => ({
      next() {
        const told = end ?? read();
        end = undefined;
        return told;
      },
      return: async () => {
        call.cancellation.cancel(new CallCanceled());
        await source.return(undefined);
        return { done: true, value: undefined };
      },
    }),
  };
}

async function* released(messages: AsyncIterable<Message>, release: () => void): AsyncGenerator<Message> {
  try {
    yield* messages;
  } finally {
    release();
  }
}
