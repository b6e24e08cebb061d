import { create, type DescMessage, type DescMethod } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { CommandService as UsersCommands } from '#gen/users/v1/command_service_pb.js';
import { UserCreatedSchema } from '#gen/users/v1/events_pb.js';
import { Answer } from '../../../../src/kernel/bus/answer.ts';
import type { Route } from '../../../../src/kernel/bus/bus.ts';
import type { Call } from '../../../../src/kernel/bus/call.ts';
import { causeKey, principalOf } from '../../../../src/kernel/bus/context-keys.ts';
import { callKind, methodName } from '../../../../src/kernel/bus/convention.ts';
import { CallCanceled, Conflict, DatabaseUnavailable, DeadlinePassed, Overloaded } from '../../../../src/kernel/bus/errors.ts';
import { typedError } from '../../../../src/kernel/bus/typed-error.ts';
import { AnswerErased } from '../../../../src/kernel/database/write/idempotency-keys.ts';
import { inProcessTransport } from '../../../../src/kernel/doors/in-process.ts';
import { type ProcessManager, processManager, step } from '../../../../src/kernel/feed/process-manager.ts';
import { type Change, Effects } from '../../../../src/kernel/feed/processors/effects.ts';
import { EventRefused, type FeedEvent, Transient } from '../../../../src/kernel/feed/processors/feed-handler.ts';
import { reactorHandler } from '../../../../src/kernel/feed/processors/reactor-handler.ts';
import { type ReactionTools, reaction, reactor } from '../../../../src/kernel/feed/reactor.ts';
import { CommandService, PlaceOrderResponseSchema } from '../../../gen/orders/v1/command_service_pb.js';
import { OrderCancelledSchema, OrderPlacedSchema, StockTakenSchema } from '../../../gen/orders/v1/events_pb.js';
import { GetOrderResponseSchema, QueryService } from '../../../gen/orders/v1/query_service_pb.js';
import { OrderCancelled, OrderNotFound, OutOfStock } from '../../../modules/orders/domain/order-errors.ts';

const { cancelOrder, placeOrder, removeLine } = CommandService.method;
const EVENT: FeedEvent = {
  sequence: 7,
  id: '019ab3a0-0000-7000-8000-000000000001',
  schema: OrderPlacedSchema,
  message: create(OrderPlacedSchema, { customer: 'ada' }),
  aggregateType: 'orders.v1.Order',
  aggregateId: '019ab3a0-0000-7000-8000-000000000002',
  aggregateVersion: 3,
  commandId: '019ab3a0-0000-7000-8000-000000000003',
  traceparent: '',
  occurredAt: new Date('2026-11-30T12:00:00Z'),
};

/** A bus that answers every call with nothing, or as it is told, and keeps what it was asked. */
function busOf(answer: (call: Call) => Answer = (call) => new Answer(call.method, create(call.method.output))) {
  const calls: Call[] = [];
  const routes = new Map(
    [...CommandService.methods, ...QueryService.methods].map((method: DescMethod): [string, Route] => [
      methodName(method),
      {
        method,
        kind: callKind(method),
        pipeline: [],
        rerun: undefined,
        dispatch: async (call) => {
          calls.push(call);
          return answer(call);
        },
      },
    ]),
  );
  const keys = () => calls.map((call) => `${call.method.name} ${call.headerValue('idempotency-key')}`);
  return { bus: routes, calls, keys };
}

const effects = (): Effects => new Effects(async () => undefined);

type React = (tools: ReactionTools) => Promise<unknown>;

/** Has a reactor react to the event. */
function reacting(react: React, { bus, event = EVENT }: { bus: ReturnType<typeof busOf>['bus']; event?: FeedEvent }) {
  const made = reactor({
    name: 'in_test',
    from: 'now',
    on: [reaction(OrderPlacedSchema, (_, __, tools) => react(tools)), reaction(OrderCancelledSchema, async () => {})],
  });
  const logged: unknown[] = [];
  const handler = reactorHandler(made, {
    transport: inProcessTransport(bus),
    permissions: ['a', 'b'],
    logger: { error: (...line: unknown[]) => logged.push(line) },
    newId: () => 'timer',
  });
  return { handler, logged, react: (signal = new AbortController().signal) => handler.react?.(event, signal, effects()) };
}

const cancelling: React = ({ send }) => send(cancelOrder, { orderId: EVENT.aggregateId });
const refusing = (error: Error) =>
  busOf(() => {
    throw error;
  });

describe('the handler of a reactor', () => {
  it('takes the events of its reactions, and has no statement', () => {
    const { handler } = reacting(cancelling, busOf());
    expect(handler).toMatchObject({
      name: 'in_test',
      kind: 'reactor',
      types: ['orders.v1.OrderPlaced', 'orders.v1.OrderCancelled'],
      partitions: 1,
      from: 'now',
      parts: [],
      readsData: false,
    });
  });

  it('gives a reaction the event and what stands beside it', async () => {
    let given: readonly unknown[] = [];
    const made = reactor({
      name: 'in_test',
      from: 'now',
      on: [
        reaction(OrderPlacedSchema, async (placed, event) => {
          given = [placed.customer, event];
        }),
      ],
    });
    const parts = { transport: inProcessTransport(busOf().bus), permissions: [], logger: { error() {} }, newId: () => 'timer' };
    await reactorHandler(made, parts).react?.(EVENT, new AbortController().signal, effects());
    expect(given).toEqual([
      'ada',
      {
        sequence: 7,
        id: EVENT.id,
        type: 'orders.v1.OrderPlaced',
        aggregateType: 'orders.v1.Order',
        aggregateId: EVENT.aggregateId,
        aggregateVersion: 3,
        commandId: EVENT.commandId,
        occurredAt: EVENT.occurredAt,
      },
    ]);
  });

  it('sends commands as itself, with every permission and the event as their cause', async () => {
    const made = busOf();
    await reacting(cancelling, made).react();
    const [call] = made.calls;
    expect(call?.request).toMatchObject({ orderId: EVENT.aggregateId });
    expect(call && principalOf(call)).toEqual({
      id: 'reactor in_test',
      roles: [],
      permissions: new Set(['a', 'b']),
      session: '',
    });
    expect(call?.contextValues.get(causeKey)).toEqual({ eventId: EVENT.id, correlationId: EVENT.commandId });
    expect(call?.origin).toMatchObject({ door: 'in-process', peer: '' });
  });

  it('keeps the first command of a chain', async () => {
    const made = busOf();
    await reacting(cancelling, { ...made, event: { ...EVENT, correlationId: 'the first' } }).react();
    expect(made.calls[0]?.contextValues.get(causeKey)).toEqual({ eventId: EVENT.id, correlationId: 'the first' });
  });

  it('makes keys of the event, by the order of the commands of an rpc or by what the reaction says', async () => {
    const made = busOf();
    const { react } = reacting(async ({ send }) => {
      await send(placeOrder, {});
      await send(cancelOrder, { orderId: 'one' });
      await send(cancelOrder, { orderId: 'two' });
      await send(cancelOrder, { orderId: 'three' }, { key: 'three' });
      await send(cancelOrder, { orderId: 'four' });
    }, made);
    const once = [
      `PlaceOrder ${EVENT.id}`,
      `CancelOrder ${EVENT.id}`,
      `CancelOrder ${EVENT.id}-2`,
      `CancelOrder ${EVENT.id}:three`,
      `CancelOrder ${EVENT.id}-3`,
    ];
    await react();
    expect(made.keys()).toEqual(once);
    await react();
    expect(made.keys()).toEqual([...once, ...once]);
  });

  it('resolves with the answer, with undefined for a refusal that is accepted, and with an empty answer that was erased', async () => {
    const answers: unknown[] = [];
    const made = busOf((call) => {
      if (call.method.name === 'CancelOrder') throw typedError(new OrderCancelled());
      if (call.method.name === 'RemoveLine') throw typedError(new AnswerErased('one'));
      return new Answer(call.method, create(PlaceOrderResponseSchema, { order: { id: 'placed' } }));
    });
    await reacting(async ({ send }) => {
      answers.push((await send(placeOrder, {})).order?.id);
      answers.push(await send(cancelOrder, {}, { accepts: ['ORDER_NOT_FOUND', 'ORDER_CANCELLED'] }));
      answers.push((await send(removeLine, {})).order);
    }, made).react();
    expect(answers).toEqual(['placed', undefined, undefined]);
  });

  it('asks the primary, as itself', async () => {
    let total: bigint | undefined;
    const made = busOf((call) => new Answer(call.method, create(GetOrderResponseSchema, { order: { totalCents: 5n } })));
    await reacting(async ({ ask }) => {
      total = (await ask(QueryService).getOrder({ orderId: EVENT.aggregateId })).order?.totalCents;
    }, made).react();
    const [call] = made.calls;
    expect(total).toBe(5n);
    expect(call?.headerValue('cqrs-consistency')).toBe('strong');
    expect(call && principalOf(call).id).toBe('reactor in_test');
  });

  it.each<[string, React, Error, string]>([
    [
      'a refusal',
      cancelling,
      typedError(new OutOfStock('a secret product', 3)),
      'orders.v1.CommandService/CancelOrder: FAILED_PRECONDITION OUT_OF_STOCK',
    ],
    [
      'a refusal that it does not accept',
      ({ send }) => send(cancelOrder, {}, { accepts: ['ORDER_CANCELLED'] }),
      typedError(new OrderNotFound('a secret order')),
      'orders.v1.CommandService/CancelOrder: NOT_FOUND ORDER_NOT_FOUND',
    ],
    ['a defect of a handler', cancelling, new Error('a secret'), 'orders.v1.CommandService/CancelOrder: INTERNAL INTERNAL'],
    [
      'a query that is refused',
      ({ ask }) => ask(QueryService).getOrder({}),
      typedError(new OrderNotFound('a secret order')),
      'orders.v1.QueryService/GetOrder: NOT_FOUND ORDER_NOT_FOUND',
    ],
  ])('takes %s for a fault of the event, in words without values', async (_, react, error, told) => {
    const failure = await Promise.resolve(reacting(react, refusing(error)).react()).catch((thrown: unknown) => thrown);
    expect(failure).toBeInstanceOf(EventRefused);
    expect((failure as Error).message).toBe(told);
  });

  it.each<[string, () => Promise<unknown>, string]>([
    [
      'a defect of its own',
      () => Promise.reject(new TypeError('a secret')),
      'TypeError in the reaction to orders.v1.OrderPlaced',
    ],
    ['what is no error', () => Promise.reject('a secret'), 'Error in the reaction to orders.v1.OrderPlaced'],
    ['an error like that of a handler', () => Promise.reject(new OrderCancelled()), 'FAILED_PRECONDITION ORDER_CANCELLED'],
  ])('takes %s for a fault of the event, in words without values', async (_, react, told) => {
    const made = reacting(react, busOf());
    const failure = await Promise.resolve(made.react()).catch((thrown: unknown) => thrown);
    expect(failure).toBeInstanceOf(EventRefused);
    // A defect is found by the log.
    expect(made.logged).toHaveLength(told.includes(' in the reaction to ') ? 1 : 0);
    expect((failure as Error).message).toBe(told);
  });

  it.each([new DatabaseUnavailable(), new Conflict(), new Overloaded('x'), new DeadlinePassed(), new CallCanceled()])(
    'does not blame the event for $name',
    async (error) => {
      await expect(reacting(cancelling, refusing(typedError(error))).react()).rejects.toBeInstanceOf(Transient);
      await expect(reacting(() => Promise.reject(error), busOf()).react()).rejects.toBeInstanceOf(Transient);
    },
  );

  it('does not blame the event for what fails when the service stops', async () => {
    const { react } = reacting(() => Promise.reject(new Error('aborted')), busOf());
    await expect(react(AbortSignal.abort())).rejects.toBeInstanceOf(Transient);
  });

  it('sends no query', async () => {
    const made = busOf();
    const { react } = reacting(({ send }) => send(QueryService.method.getOrder, {}), made);
    await expect(react()).rejects.toThrow('TypeError in the reaction to orders.v1.OrderPlaced');
    expect(made.calls).toEqual([]);
  });
});

describe('a timer', () => {
  const setting = (react: React) => {
    const changes: Change[] = [];
    const { handler } = reacting(react, busOf());
    const signal = new AbortController().signal;
    const done = handler.react?.(EVENT, signal, { stateOf: async () => undefined, add: (change) => changes.push(change) });
    return { changes, done };
  };

  it('is due by the time of its event, and tells its cause', async () => {
    const { changes, done } = setting(async ({ after }) => {
      after({ minutes: 15, seconds: 0.5 }, cancelOrder, { orderId: 'one' }, { key: 'unpaid', accepts: ['ORDER_PAID'] });
    });
    await done;
    expect(changes).toHaveLength(1);
    expect([...(changes[0]?.timers ?? [])]).toEqual([
      [
        'unpaid',
        {
          id: 'timer',
          method: cancelOrder,
          request: create(cancelOrder.input, { orderId: 'one' }),
          accepts: ['ORDER_PAID'],
          dueAt: new Date('2026-11-30T12:15:00.500Z'),
          eventId: EVENT.id,
          correlationId: EVENT.commandId,
          traceparent: '',
        },
      ],
    ]);
  });

  it.each<[string, React]>([
    ['a query', async (tools) => tools.after(1, QueryService.method.getOrder, {})],
    ['what returns a secret', async (tools) => tools.after(1, UsersCommands.method.logIn, {})],
    ['a secret', async (tools) => tools.after(1, UsersCommands.method.createUser, { password: 'a secret' })],
    ['what is personal', async (tools) => tools.after(1, UsersCommands.method.changeName, { name: 'Ada' })],
    ['a key that is empty', async (tools) => tools.after(1, cancelOrder, {}, { key: '' })],
    ['a key that is too long', async (tools) => tools.after(1, cancelOrder, {}, { key: 'x'.repeat(201) })],
    ['a time before', async (tools) => tools.after(-1, cancelOrder, {})],
    ['no time', async (tools) => tools.after({ minutes: Number.NaN }, cancelOrder, {})],
    ['more than a century', async (tools) => tools.after({ days: 40_000 }, cancelOrder, {})],
  ])('cannot have %s, and nothing is set', async (_, react) => {
    const { changes, done } = setting(react);
    await expect(done).rejects.toBeInstanceOf(EventRefused);
    expect(changes).toEqual([]);
  });
});

describe('processManager', () => {
  const placed = step(OrderPlacedSchema, async () => {});
  const byCustomer = step(OrderPlacedSchema, async () => {}, { by: ({ customer }) => customer });
  type Definition = Omit<ProcessManager, 'state'>;
  it.each<[string, Definition, RegExp]>([
    ['another name than one in snake_case', { name: 'In test', from: 'now', on: [placed] }, /its name has to be in snake_case/],
    ['two steps of one event', { name: 'in_test', from: 'now', on: [placed, placed] }, /reacts to orders.v1.OrderPlaced twice/],
    [
      'partitions that share what is one process',
      { name: 'in_test', from: 'now', on: [byCustomer], partitions: 2 },
      /its `partitions` share events by their aggregates, so no step can have a `by`/,
    ],
  ])('cannot have %s', (_, definition, words) => {
    expect(() => processManager(StockTakenSchema as DescMessage, definition)).toThrow(words);
  });

  it.each([UserCreatedSchema, UsersCommands.method.logIn.input])('cannot remember what is in $typeName', (state: DescMessage) => {
    expect(() => processManager(state, { name: 'in_test', from: 'now', on: [placed] })).toThrow(
      `its state ${state.typeName} has a field that is secret or personal`,
    );
  });
});

describe('reactor', () => {
  const on = [reaction(OrderPlacedSchema, async () => {})];
  it.each<[string, Parameters<typeof reactor>[0], RegExp]>([
    ['another name than one in snake_case', { name: 'In test', from: 'now', on }, /its name has to be in snake_case/],
    ['no reaction', { name: 'in_test', from: 'now', on: [] }, /it takes no events/],
    ['two reactions to one event', { name: 'in_test', from: 'now', on: [...on, ...on] }, /reacts to orders.v1.OrderPlaced twice/],
    ['no partition', { name: 'in_test', from: 'now', on, partitions: 0 }, /`partitions` has to be a whole number from 1 on/],
  ])('cannot have %s', (_, definition, words) => {
    expect(() => reactor(definition)).toThrow(words);
  });
});
