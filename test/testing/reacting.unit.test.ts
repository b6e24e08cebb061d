import { describe, expect, it } from '@jest/globals';
import { UserCreatedSchema, UserDeletedSchema } from '../../gen/users/v1/events_pb.js';
import { processManager, step } from '../../src/kernel/feed/process-manager.ts';
import { reaction, reactor } from '../../src/kernel/feed/reactor.ts';
import {
  answers,
  cancelled,
  ended,
  nothing,
  reacting,
  refused,
  refuses,
  remembers,
  state,
  testId,
  timer,
} from '../../src/testing/index.ts';
import { CommandService } from '../gen/orders/v1/command_service_pb.js';
import {
  OrderCancelledSchema,
  OrderLineAddedSchema,
  OrderPaidSchema,
  OrderPlacedSchema,
  StockTakenSchema,
} from '../gen/orders/v1/events_pb.js';
import { QueryService } from '../gen/orders/v1/query_service_pb.js';
import { closeOrders } from '../modules/orders/reactors/close-orders.ts';
import { GIFT, welcomeGift } from '../modules/orders/reactors/welcome-gift.ts';

const ada = testId('ada');
const gift = { type: 'PlaceOrder', customer: ada, lines: [{ productId: GIFT, quantity: 1 }] };

describe('a reactor under test', () => {
  const created = () => reacting(welcomeGift).when(UserCreatedSchema, { name: 'Ada' }, { aggregateId: ada });

  it('sends the commands that are expected, and no others', async () => {
    await created().then(gift);
    await expect(created().then(nothing)).rejects.toThrow(/PlaceOrder/);
    await expect(created().then({ ...gift, customer: 'grace' })).rejects.toThrow(/grace/);
    await expect(created().then(gift, gift)).rejects.toThrow(/PlaceOrder/);
  });

  it('is answered by queries and commands as the test says', async () => {
    const asked = reacting(
      closeOrders,
      answers(QueryService.method.listOrders, { orders: [{ id: testId(1) }, { id: testId(2) }] }),
    );
    await asked
      .when(UserDeletedSchema, {})
      .then({ type: 'CancelOrder', orderId: testId(1) }, { type: 'CancelOrder', orderId: testId(2) });
    await expect(reacting(closeOrders).when(UserDeletedSchema, {}).then(nothing)).rejects.toThrow(
      'the reactor asks orders.v1.QueryService/ListOrders: say by `answers` what it is answered',
    );
  });

  it('fails by a refusal that it does not accept', async () => {
    const { placeOrder } = CommandService.method;
    const when = (reason: string) =>
      reacting(welcomeGift, refuses(placeOrder, reason)).when(UserCreatedSchema, {}, { aggregateId: ada });
    await when('OUT_OF_STOCK').then(gift);
    await when('PRODUCT_NOT_FOUND').then(refused('PRODUCT_NOT_FOUND'));
    await expect(when('PRODUCT_NOT_FOUND').then(gift)).rejects.toThrow(/was refused: PRODUCT_NOT_FOUND/);
  });

  it('is held to the contract of what it sends', async () => {
    const careless = reactor({
      name: 'careless',
      from: 'now',
      on: [reaction(UserDeletedSchema, (_, __, { send }) => send(CommandService.method.cancelOrder, { orderId: 'me' }))],
    });
    await reacting(careless)
      .when(UserDeletedSchema, {})
      .then(refused('INVALID_REQUEST', { fields: ['order_id'] }));
  });

  it('shows what it threw itself, and what it does not react to', async () => {
    const broken = reactor({
      name: 'broken',
      from: 'now',
      on: [reaction(UserDeletedSchema, () => Promise.reject(new RangeError('of its own')))],
    });
    await expect(reacting(broken).when(UserDeletedSchema, {}).then(nothing)).rejects.toThrow(new RangeError('of its own'));
    await expect(reacting(broken).when(UserCreatedSchema, {}).then(nothing)).rejects.toThrow(
      'the reactor broken does not react to users.v1.UserCreated',
    );
  });
});

/** Remembers how many lines an order has, for want of a better message. */
const waiting = processManager(StockTakenSchema, {
  name: 'waiting',
  from: 'now',
  on: [
    step(OrderPlacedSchema, async ({ lines }, { aggregateId: orderId }, { setState, after }) => {
      setState({ quantity: lines.length });
      after({ minutes: 15 }, CommandService.method.cancelOrder, { orderId }, { key: 'unpaid' });
      after(1_500, CommandService.method.removeLine, { orderId, lineId: testId('gift') });
    }),
    step(OrderLineAddedSchema, async (_, __, { state, setState, cancel, send }) => {
      if (state) setState({ quantity: state.quantity + 1 });
      if (state?.quantity === 3) await send(CommandService.method.cancelOrder, { orderId: testId('order') });
      cancel('unpaid');
    }),
    step(OrderPaidSchema, async (_, __, { end }) => end()),
    step(OrderCancelledSchema, async (_, { aggregateId: orderId }, { after }) => {
      after({ days: 1 }, CommandService.method.cancelOrder, { orderId });
    }),
  ],
});
const order = testId('order');

describe('a process manager under test', () => {
  const placed = () => reacting(waiting).when(OrderPlacedSchema, { lines: [{}, {}] }, { aggregateId: order });
  const unpaid = timer({ minutes: 15 }, { type: 'CancelOrder', orderId: order }, 'unpaid');
  const gift = timer({ seconds: 1.5 }, { type: 'RemoveLine', orderId: order, lineId: testId('gift') });

  it('sets the timers that are expected, and no others', async () => {
    await placed().then(unpaid, gift, state({ quantity: 2 }));
    await expect(placed().then(unpaid)).rejects.toThrow(/RemoveLine/);
    await expect(placed().then(unpaid, gift, unpaid)).rejects.toThrow(/unpaid/);
    await expect(placed().then({ ...unpaid, after: 1 }, gift)).rejects.toThrow(/900000/);
    await expect(placed().then({ ...unpaid, key: 'paid' }, gift)).rejects.toThrow(/unpaid/);
    await expect(placed().then(timer(900_000, { type: 'CancelOrder' }, 'unpaid'), gift)).rejects.toThrow(/orderId/);
  });

  it('remembers what the test says, and what the step does', async () => {
    await expect(placed().then(unpaid, gift, state({ quantity: 3 }))).rejects.toThrow(/quantity: 3/);
    const added = (quantity: number) => reacting(waiting, remembers({ quantity })).when(OrderLineAddedSchema, {});
    await added(1).then(cancelled('unpaid'), state({ quantity: 2 }));
    await added(3).then({ type: 'CancelOrder', orderId: order }, cancelled('unpaid'), state({ quantity: 4 }));
    await reacting(waiting).when(OrderLineAddedSchema, {}).then(cancelled('unpaid'));
    await expect(added(1).then(nothing)).rejects.toThrow(/cancelled/);
  });

  it('ends', async () => {
    await reacting(waiting, remembers({ quantity: 1 }))
      .when(OrderPaidSchema, {})
      .then(ended);
    await expect(
      reacting(waiting, remembers({ quantity: 1 }))
        .when(OrderPaidSchema, {})
        .then(ended, state({ quantity: 1 })),
    ).rejects.toThrow(/quantity/);
  });

  it('is held to the contract of what it has sent later', () =>
    reacting(waiting)
      .when(OrderCancelledSchema, {}, { aggregateId: 'me' })
      .then(refused('INVALID_REQUEST', { fields: ['order_id'] })));

  it('is the only one that remembers', () =>
    expect(
      reacting(closeOrders, remembers({ quantity: 1 }))
        .when(UserDeletedSchema, {})
        .then(nothing),
    ).rejects.toThrow('the reactor close_orders remembers nothing: only process managers do'));
});
