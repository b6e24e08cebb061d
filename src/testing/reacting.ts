import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from '@bufbuild/protobuf';
import { Code, ConnectError, type Transport } from '@connectrpc/connect';
import { ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { Answer } from '../kernel/bus/answer.ts';
import { composed } from '../kernel/bus/around.ts';
import { Call, type Message } from '../kernel/bus/call.ts';
import { callKind, messageKind, methodName } from '../kernel/bus/convention.ts';
import { DomainError } from '../kernel/bus/errors.ts';
import { asUnaryResponse } from '../kernel/bus/interceptor.ts';
import { type Around, middlewareOf } from '../kernel/bus/middleware.ts';
import type { ProcessManager } from '../kernel/feed/process-manager.ts';
import type { Change, SetTimer } from '../kernel/feed/processors/effects.ts';
import type { FeedEvent } from '../kernel/feed/processors/feed-handler.ts';
import { CallFailed, reactorHandler } from '../kernel/feed/processors/reactor-handler.ts';
import type { ReactedEvent, Reactor } from '../kernel/feed/reactor.ts';
import { type Duration, millisecondsOf } from '../kernel/feed/timers/duration.ts';
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

/** What a process remembers when the test begins. Made by `remembers`. */
export interface Remembering {
  readonly state: object;
}

/**
 * What the process under test remembers. Without it, it remembers nothing yet.
 *
 * ```ts
 * reacting(payment, remembers({ totalCents: 500n }));
 * ```
 */
export const remembers = (state: object): Remembering => ({ state });

/**
 * Expects a timer: the command that is sent when the time is over, counted from the event, and its key if it has one.
 *
 * ```ts
 * await reacting(payment).when(OrderPlacedSchema, {}, { aggregateId: testId('order') })
 *   .then(timer({ minutes: 15 }, { type: 'CancelOrder', orderId: testId('order') }, 'unpaid'));
 * ```
 */
export const timer = (after: Duration, command: PlainEvent, key?: string): PlainEvent => ({
  type: 'timer',
  after: millisecondsOf(after),
  command,
  ...(key !== undefined && { key }),
});

/**
 * Expects that the timer of that key is cancelled.
 *
 * ```ts
 * await reacting(payment, remembers({ totalCents: 500n })).when(OrderPaidSchema, {}).then(cancelled('unpaid'));
 * ```
 */
export const cancelled = (key: string): PlainEvent => ({ type: 'cancelled', key });

/**
 * Expects that the process ends: it forgets its state, and its timers are cancelled.
 *
 * ```ts
 * await reacting(payment, remembers({ totalCents: 500n })).when(OrderPaidSchema, {}).then(ended);
 * ```
 */
export const ended: PlainEvent = { type: 'ended' };

/**
 * Runs a reactor or a process manager alone, without modules and without a database: given what rpcs answer and what the process remembers, when an event
 * happens, then these are the commands that it sends, the timers that it sets or cancels, and what it remembers (`state`). Commands have the form of
 * events: `type` is the name of the rpc. The contract's rules about requests hold. Timers come after the commands.
 *
 * ```ts
 * await reacting(closeOrders, answers(QueryService.method.listOrders, { orders: [{ id: testId('one') }] }))
 *   .when(UserDeletedSchema, {}, { aggregateId: testId('ada') })
 *   .then({ type: 'CancelOrder', orderId: testId('one') });
 * ```
 *
 * `then(nothing)` expects no command, and `then(refused(reason))` a refusal that the reactor does not accept.
 */
export function reacting(reactor: Reactor | ProcessManager, ...given: readonly (Answering | Remembering)[]): Reacting {
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
      return new SentScenario(reactorStage(reactor, given, event), [], {} as Sent);
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

function reactorStage(reactor: Reactor | ProcessManager, given: readonly (Answering | Remembering)[], event: FeedEvent): Stage {
  const answering = given.filter((item) => 'method' in item);
  const stateType = 'state' in reactor ? reactor.state : undefined;
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
      return asUnaryResponse(await composed(rulesOf(method), respond)(call));
    },
    stream: () => Promise.reject(new TypeError('a stream is of no use to a reactor under test')),
  };

  /** What the process remembered, in the form that it is stored in. */
  function remembered(): Uint8Array | undefined {
    const item = given.findLast((item) => 'state' in item);
    if (!item) return undefined;
    if (!stateType) throw new TypeError(`the reactor ${reactor.name} remembers nothing: only process managers do`);
    return toBinary(stateType, create(stateType, item.state as never));
  }

  async function send(): Promise<Outcome> {
    const handler = reactorHandler(reactor, {
      transport,
      permissions: [],
      logger: { error: () => {} },
      newId: () => testId('timer'),
    });
    if (!handler.types.includes(event.schema.typeName))
      throw new TypeError(`the reactor ${reactor.name} does not react to ${event.schema.typeName}`);
    const commands = (): PlainEvent[] => sent.map(({ command }) => command);
    try {
      const before = remembered();
      let change: Change | undefined;
      const add = (made: Change): void => {
        change = made;
      };
      await handler.react?.(event, new AbortController().signal, { stateOf: async () => before, add });
      const left = change?.state === undefined ? before : change.state;
      const state = stateType && left ? plain(stateType, fromBinary(stateType, left)) : undefined;
      return { events: [...commands(), ...(await changes(change))], answer: undefined, refusal: undefined, state };
    } catch (error) {
      const cause = causeOf(error);
      if (!(cause instanceof CallFailed)) throw cause;
      // The one that was refused is told of by its refusal.
      const events = commands().slice(0, -1);
      return { events, answer: undefined, refusal: refusalOfCall(cause), state: undefined };
    }
  }

  /** What is done about timers, and whether the process ends. */
  async function changes(change: Change | undefined): Promise<PlainEvent[]> {
    const timers = [...(change?.timers ?? [])].map(([key, set]) => (set ? timerEvent(key, set) : cancelled(key)));
    return [...(change?.isEnded ? [ended] : []), ...(await Promise.all(timers))];
  }

  async function timerEvent(key: string, { method, request, dueAt }: SetTimer): Promise<PlainEvent> {
    await valid(method, request);
    const command = { type: method.name, ...plain(method.input, request) };
    timers.set(command, method);
    const isNamed = !key.startsWith(`${event.id} `);
    return timer(dueAt.getTime() - event.occurredAt.getTime(), command, isNamed ? key : undefined);
  }
  const timers = new Map<PlainEvent, DescMethod>();

  return {
    prepare: async () => {},
    send,
    stored: async () => undefined,
    form: (expected, recorded) => {
      const { command } = (recorded ?? {}) as Partial<PlainEvent>;
      const ofTimer = timers.get(command as PlainEvent);
      if (ofTimer && (expected as PlainEvent).type === 'timer')
        return { ...expected, command: commandForm((expected as PlainEvent).command as PlainEvent, ofTimer) };
      return commandForm(expected as PlainEvent, sent.find((item) => item.command === recorded)?.method);
    },
  };
}

/** With the defaults of the fields that the test leaves out. */
function commandForm(expected: PlainEvent, method: DescMethod | undefined): PlainEvent {
  const { type, ...fields } = expected;
  if (!method || type !== method.name) return expected;
  return { ...expectedEvent({ type: method.input.name, ...fields }, method.input), type };
}

const rulesOf = (method: DescMethod): Around[] =>
  middlewareOf([VALIDATION], method, callKind(method)).map(({ around }) => around);

/** Rejects as the command would when it is sent. */
async function valid(method: DescMethod, request: Message): Promise<void> {
  const call = new Call({
    method,
    request,
    origin: { door: 'in-process', peer: '', deadline: undefined, requestMethod: 'POST' },
    header: () => new Headers(),
    contextValues: undefined,
  });
  const accept = async (): Promise<Answer> => new Answer(method, create(method.output));
  await composed(
    rulesOf(method),
    accept,
  )(call).catch((error: unknown) => {
    throw new CallFailed(method, error);
  });
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
