import type { DescMethodServerStreaming, DescMethodUnary } from '@bufbuild/protobuf';
import { Code, ConnectError, type ConnectRouter, createContextKey, type HandlerContext } from '@connectrpc/connect';
import type { Answer } from '../../cqrs/answer.ts';
import type { Bus, Route } from '../../cqrs/bus.ts';
import { Call, type Message } from '../../cqrs/call.ts';
import { CallCanceled, DeadlinePassed } from '../../cqrs/errors.ts';
import { toConnectError, type UnexpectedErrors } from '../../middleware/errors.ts';
import type { CallsInFlight } from '../calls-in-flight.ts';
import type { MessageLimits } from '../message-limits.ts';

/** What the HTTP request tells beside what Connect makes of it. */
export interface Wire {
  readonly peer: string;
  /** Aborted when the connection or the stream breaks. */
  readonly signal: AbortSignal;
}
export const wireKey = createContextKey<Wire>({ peer: '', signal: new AbortController().signal }, { description: 'wire' });

export interface RpcOptions {
  readonly inFlight: CallsInFlight;
  readonly unexpected: UnexpectedErrors;
  readonly messageLimits: MessageLimits;
}

/** Has Connect call the bus for every rpc. */
export function addRpcs(router: ConnectRouter, bus: Bus, options: RpcOptions): void {
  for (const [name, route] of bus) {
    const { method } = route;
    const limited = { readMaxBytes: options.messageLimits.of(`/${name}`) };
    if (method.methodKind === 'unary') {
      router.rpc(method as DescMethodUnary, (request, context) => unary(route, request, { context, ...options }), limited);
    } else {
      const handle = (request: Message, context: HandlerContext) => stream(route, request, { context, ...options });
      router.rpc(method as DescMethodServerStreaming, handle, limited);
    }
  }
}

type Parts = Omit<RpcOptions, 'messageLimits'> & { readonly context: HandlerContext };

async function unary(route: Route, request: Message, { context, inFlight, unexpected }: Parts): Promise<Message> {
  const call = receive(route, request, { context, inFlight });
  try {
    const answer = await route.dispatch(call);
    copy(answer.headerIfAny, context.responseHeader);
    copy(answer.trailerIfAny, context.responseTrailer);
    return answer.message as Message;
  } catch (error) {
    throw toConnectError(error, route.method, unexpected);
  } finally {
    inFlight.delete(call);
  }
}

async function* stream(route: Route, request: Message, { context, inFlight, unexpected }: Parts): AsyncGenerator<Message> {
  const call = receive(route, request, { context, inFlight });
  try {
    const answer = (await route.dispatch(call)) as Answer<AsyncIterable<Message>>;
    copy(answer.headerIfAny, context.responseHeader);
    yield* answer.message;
    copy(answer.trailerIfAny, context.responseTrailer);
  } catch (error) {
    throw toConnectError(error, route.method, unexpected);
  } finally {
    inFlight.delete(call);
  }
}

function receive(route: Route, request: Message, { context, inFlight }: Pick<Parts, 'context' | 'inFlight'>): Call {
  const { signal, values, requestHeader } = context;
  const timeoutMs = context.timeoutMs();
  const origin = {
    door: 'connect',
    peer: values.get(wireKey).peer,
    deadline: timeoutMs === undefined ? undefined : Date.now() + timeoutMs,
    requestMethod: context.requestMethod === 'GET' ? 'GET' : 'POST',
  } as const;
  const call = new Call({ method: route.method, request, origin, header: () => requestHeader, contextValues: values });
  inFlight.add(call);
  // Connect aborts the signal at the end of every call, answered or not.
  const cancel = (): void => {
    if (inFlight.has(call)) call.cancellation.cancel(isTimeout(signal.reason) ? new DeadlinePassed() : new CallCanceled());
  };
  signal.addEventListener('abort', cancel, { once: true });
  if (signal.aborted) cancel();
  return call;
}

function isTimeout(reason: unknown): boolean {
  return reason instanceof ConnectError && reason.code === Code.DeadlineExceeded;
}

function copy(from: Iterable<[string, string]> | undefined, to: Headers): void {
  for (const [key, value] of from ?? []) to.set(key, value);
}
