import { create, type DescMethodBiDiStreaming, type DescMethodServerStreaming, type DescMethodUnary } from '@bufbuild/protobuf';
import { Code, ConnectError, type ConnectRouter, createContextKey, type HandlerContext } from '@connectrpc/connect';
import type { Answer } from '../../bus/answer.ts';
import type { Rpc } from '../../bus/bus.ts';
import { Call, type Message } from '../../bus/call.ts';
import { methodName } from '../../bus/convention.ts';
import { CallCanceled, DeadlinePassed } from '../../bus/errors.ts';
import { toConnectError, type UnexpectedErrors } from '../../middleware/errors.ts';
import type { CallsInFlight } from '../calls-in-flight.ts';
import type { MessageLimits } from '../message-limits.ts';

/** What the HTTP request tells beside what Connect makes of it. */
export interface Wire {
  readonly peer: string;
  /** Aborted when the connection or the stream breaks. */
  readonly signal: AbortSignal;
  /** Has an answer go on that waits for its caller to read. */
  readonly goOn: () => void;
}
export const wireKey = createContextKey<Wire>(
  { peer: '', signal: new AbortController().signal, goOn: () => {} },
  { description: 'wire' },
);

export interface RpcOptions {
  readonly inFlight: CallsInFlight;
  readonly unexpected: UnexpectedErrors;
  readonly messageLimits: MessageLimits;
}

/** Has Connect call each rpc. */
export function addRpcs(router: ConnectRouter, rpcs: Iterable<Rpc>, options: RpcOptions): void {
  for (const rpc of rpcs) {
    const { method } = rpc;
    const limited = { readMaxBytes: options.messageLimits.of(`/${methodName(method)}`) };
    if (method.methodKind === 'unary') {
      router.rpc(method as DescMethodUnary, (request, context) => unary(rpc, request, { context, ...options }), limited);
    } else if (method.methodKind === 'server_streaming') {
      const handle = (request: Message, context: HandlerContext) => stream(rpc, { request }, { context, ...options });
      router.rpc(method as DescMethodServerStreaming, handle, limited);
    } else {
      const handle = (requests: AsyncIterable<Message>, context: HandlerContext) =>
        stream(rpc, { request: create(method.input), requests }, { context, ...options });
      router.rpc(method as DescMethodBiDiStreaming, handle, limited);
    }
  }
}

/** What the caller sent. */
type Sent = Pick<Call, 'request'> & Partial<Pick<Call, 'requests'>>;
type Parts = Omit<RpcOptions, 'messageLimits'> & { readonly context: HandlerContext };

async function unary(rpc: Rpc, request: Message, { context, inFlight, unexpected }: Parts): Promise<Message> {
  const call = receive(rpc, { request }, { context, inFlight });
  try {
    const answer = await rpc.dispatch(call);
    copy(answer.headerIfAny, context.responseHeader);
    copy(answer.trailerIfAny, context.responseTrailer);
    return answer.message as Message;
  } catch (error) {
    throw toConnectError(error, rpc.method, unexpected);
  } finally {
    inFlight.delete(call);
  }
}

async function* stream(rpc: Rpc, sent: Sent, { context, inFlight, unexpected }: Parts): AsyncGenerator<Message> {
  const call = receive(rpc, sent, { context, inFlight });
  // One who reads nothing does not keep the call past its end.
  const forget = call.cancellation.onCancel(context.values.get(wireKey).goOn);
  try {
    const answer = (await rpc.dispatch(call)) as Answer<AsyncIterable<Message>>;
    copy(answer.headerIfAny, context.responseHeader);
    yield* answer.message;
    copy(answer.trailerIfAny, context.responseTrailer);
  } catch (error) {
    throw toConnectError(error, rpc.method, unexpected);
  } finally {
    forget();
    inFlight.delete(call);
  }
}

function receive(rpc: Rpc, sent: Sent, { context, inFlight }: Pick<Parts, 'context' | 'inFlight'>): Call {
  const { signal, values, requestHeader } = context;
  const timeoutMs = context.timeoutMs();
  const origin = {
    door: 'connect',
    peer: values.get(wireKey).peer,
    deadline: timeoutMs === undefined ? undefined : Date.now() + timeoutMs,
    requestMethod: context.requestMethod === 'GET' ? 'GET' : 'POST',
  } as const;
  const call = new Call({ method: rpc.method, ...sent, origin, header: () => requestHeader, contextValues: values });
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
