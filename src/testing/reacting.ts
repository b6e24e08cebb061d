import { create, type DescMessage, type DescMethod, type DescMethodUnary, type MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError, type Transport } from '@connectrpc/connect';
import { ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { Answer } from '../kernel/bus/answer.ts';
import { composed } from '../kernel/bus/around.ts';
import { Call } from '../kernel/bus/call.ts';
import { callKind, messageKind, methodName } from '../kernel/bus/convention.ts';
import { DomainError } from '../kernel/bus/errors.ts';
import { asUnaryResponse } from '../kernel/bus/interceptor.ts';
import { middlewareOf } from '../kernel/bus/middleware.ts';
import type { FeedEvent } from '../kernel/feed/processors/feed-handler.ts';
import { CallFailed, reactorHandler } from '../kernel/feed/processors/reactor-handler.ts';
import type { ReactedEvent, Reactor } from '../kernel/feed/reactor.ts';
import { validation } from '../kernel/middleware/validation.ts';
import { type Outcome, type PlainEvent, refusalBy } from './outcome.ts';
import { expectedEvent, plain } from './plain.ts';
import { type Sent, SentScenario, type Stage } from './scenario.ts';
import { TEST_TIME, testId } from './test-ids.ts';

/** How an rpc answers a reactor. Made by `answers` and `refuses`. */
export interface Answering {
  readonly method: DescMethod;
  readonly respond: () => unknown;
}

/**
 * How an rpc answers the reactor under test. Without it, a command answers an empty message, and a query fails the test.
 *
 * ```ts
 * reacting(closeOrders, answers(QueryService.method.listOrders, { orders: [{ id: testId('one') }] }));
 * ```
 */
export function answers<Output extends DescMessage>(
  method: DescMethodUnary<DescMessage, Output>,
  response: MessageInitShape<Output>,
): Answering {
  return { method, respond: () => response };
}

/**
 * By which reason an rpc refuses the reactor under test.
 *
 * ```ts
 * reacting(closeOrders, refuses(CommandService.method.cancelOrder, 'ORDER_CANCELLED'));
 * ```
 */
export function refuses(method: DescMethod, reason: string, code: Code = Code.FailedPrecondition): Answering {
  const domain = method.parent.file.proto.package;
  return {
    method,
    respond: () => {
      throw new ConnectError(`refused by the test: ${reason}`, code, undefined, [
        { desc: ErrorInfoSchema, value: { reason, domain } },
      ]);
    },
  };
}

/**
 * Runs a reactor alone, without modules and without a database: given what rpcs answer, when an event happens, then these are the commands that
 * it sends. They have the form of events: `type` is the name of the rpc. The contract's rules about requests hold.
 *
 * ```ts
 * await reacting(closeOrders, answers(QueryService.method.listOrders, { orders: [{ id: testId('one') }] }))
 *   .when(UserDeletedSchema, {}, { aggregateId: testId('ada') })
 *   .then({ type: 'CancelOrder', orderId: testId('one') });
 * ```
 *
 * `then(nothing)` expects no command, and `then(refused(reason))` a refusal that the reactor does not accept.
 */
export function reacting(reactor: Reactor, ...answering: readonly Answering[]): Reacting {
  return {
    when: (schema, message, columns = {}) => {
      const event: FeedEvent = {
        sequence: 1,
        id: testId('event'),
        schema,
        message: create(schema, message as never),
        aggregateType: '',
        aggregateId: testId('aggregate'),
        aggregateVersion: 1,
        commandId: testId('command'),
        traceparent: '',
        occurredAt: TEST_TIME,
        ...columns,
      };
      return new SentScenario(reactorStage(reactor, answering, event), [], {} as Sent);
    },
  };
}

/** A reactor under test; `when` says what happens. */
export interface Reacting {
  readonly when: <Event extends DescMessage>(
    event: Event,
    message: MessageInitShape<Event>,
    columns?: Partial<Omit<ReactedEvent, 'type'>>,
  ) => SentScenario;
}

function reactorStage(reactor: Reactor, answering: readonly Answering[], event: FeedEvent): Stage {
  const sent: { readonly method: DescMethod; readonly command: PlainEvent }[] = [];

  const respond = async (call: Call): Promise<Answer> => {
    const { method, request } = call;
    if (messageKind(method.parent) === 'command')
      sent.push({ method, command: { type: method.name, ...plain(method.input, request) } });
    const answer = answering.findLast((item) => item.method === method);
    if (!answer && messageKind(method.parent) !== 'command')
      throw new TypeError(`the reactor asks ${methodName(method)}: say by \`answers\` what it is answered`);
    return new Answer(method, create(method.output, (answer?.respond() ?? {}) as never));
  };
  const transport: Transport = {
    unary: async (method, _signal, _timeoutMs, header, input, contextValues) => {
      const call = new Call({
        method,
        request: create(method.input, input),
        origin: { door: 'in-process', peer: '', deadline: undefined, requestMethod: 'POST' },
        header: () => new Headers(header),
        contextValues,
      });
      const rules = middlewareOf([VALIDATION], method, callKind(method)).map(({ around }) => around);
      return asUnaryResponse(await composed(rules, respond)(call));
    },
    stream: () => Promise.reject(new TypeError('a stream is of no use to a reactor under test')),
  };

  async function send(): Promise<Outcome> {
    const handler = reactorHandler(reactor, { transport, permissions: [], logger: { error: () => {} } });
    if (!handler.types.includes(event.schema.typeName))
      throw new TypeError(`the reactor ${reactor.name} does not react to ${event.schema.typeName}`);
    const commands = (): PlainEvent[] => sent.map(({ command }) => command);
    try {
      await handler.react?.(event, new AbortController().signal);
      return { events: commands(), answer: undefined, refusal: undefined, state: undefined };
    } catch (error) {
      const cause = causeOf(error);
      if (!(cause instanceof CallFailed)) throw cause;
      // The one that was refused is told of by its refusal.
      const events = commands().slice(0, -1);
      return { events, answer: undefined, refusal: refusalOfCall(cause), state: undefined };
    }
  }

  return {
    prepare: async () => {},
    send,
    stored: async () => undefined,
    form: (expected, recorded) => {
      const { method } = sent.find(({ command }) => command === recorded) ?? {};
      const { type, ...fields } = expected as PlainEvent;
      if (!method || type !== method.name) return expected;
      return { ...expectedEvent({ type: method.input.name, ...fields }, method.input), type };
    },
  };
}

const VALIDATION = validation();

/** What a reaction threw: processors get it in a form of theirs, where it can be called transient besides. */
function causeOf(error: unknown): unknown {
  let cause = error;
  while (Error.isError(cause) && cause.cause !== undefined && !(cause instanceof CallFailed)) cause = cause.cause;
  return cause;
}

function refusalOfCall({ reason, cause }: CallFailed): Outcome['refusal'] {
  if (cause instanceof DomainError) return refusalBy(cause);
  const { message } = cause as Error;
  return { reason, message, metadata: {}, fields: [] };
}
