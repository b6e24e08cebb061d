import { describe, expect, it } from '@jest/globals';
import { answered, done, refused, testId } from '../../../src/testing/index.ts';
import { OrderStatus } from '../../gen/orders/v1/order_pb.js';
import { addLine } from './commands/add-line.ts';
import { cancelOrder } from './commands/cancel-order.ts';
import { payOrder } from './commands/pay-order.ts';
import { placeOrder } from './commands/place-order.ts';
import { removeLine } from './commands/remove-line.ts';
import { Order } from './domain/order.ts';
import { given, TEA, tea } from './in-memory.ts';
import { StockType } from './persistence/order-types.ts';

const customer = { id: 'ada' };
const two = { productId: TEA.id, quantity: 2 };
const line = { id: testId('line'), product: TEA, quantity: 2 };
const order = Order.place({ id: testId('order'), customer: 'ada', lines: [line] });
const { fact } = order.lines[0] ?? { fact: undefined };

describe('an order', () => {
  it('is placed, and takes from the stock in the same command', async () => {
    const scenario = given(...tea(5)).as(customer);
    await scenario
      .when(placeOrder, { lines: [two] })
      .then(
        { type: 'StockTaken', quantity: 2 },
        { type: 'OrderPlaced', customer: 'ada', lines: [{ ...fact, id: testId(2) }] },
        answered({ order: { id: testId(1), status: OrderStatus.PLACED, totalCents: 500n, version: 1n } }),
      );
    expect((await scenario.stored(StockType, TEA.id))?.aggregate.available).toBe(3);
  });

  it('gets another line', () =>
    given(...tea(5), order)
      .as(customer)
      .when(addLine, { orderId: order.id, line: two })
      .then(
        { type: 'OrderLineAdded', line: { ...fact, id: testId(1) } },
        { type: 'StockTaken', quantity: 2 },
        answered({ order: { lines: [fact, { ...fact, id: testId(1) }], version: 2n } }),
      ));

  it('gives back what a line took', () =>
    given(...tea(0), order)
      .as(customer)
      .when(removeLine, { orderId: order.id, lineId: line.id })
      .then(
        { type: 'OrderLineRemoved', lineId: line.id },
        { type: 'StockReturned', quantity: 2 },
        answered({ order: { lines: [], version: 2n } }),
      ));

  it('gives back everything when it is cancelled', () =>
    given(...tea(0), order)
      .as(customer)
      .when(cancelOrder, { orderId: order.id })
      .then(
        { type: 'OrderCancelled' },
        { type: 'StockReturned', quantity: 2 },
        answered({ order: { status: OrderStatus.CANCELLED } }),
      ));

  it('is paid', () =>
    given(...tea(5), order)
      .as(customer)
      .when(payOrder, { orderId: order.id })
      .then({ type: 'OrderPaid' }, answered({ order: { status: OrderStatus.PAID, version: 2n } })));

  it('stays as it is when it is paid', async () => {
    const paid = given(...tea(5), order, done(payOrder, { orderId: order.id })).as(customer);
    await paid.when(payOrder, { orderId: order.id }).then(refused('ORDER_PAID'));
    await paid.when(addLine, { orderId: order.id, line: two }).then(refused('ORDER_PAID'));
    await paid.when(removeLine, { orderId: order.id, lineId: line.id }).then(refused('ORDER_PAID'));
    await paid.when(cancelOrder, { orderId: order.id }).then(refused('ORDER_PAID'));
  });

  it('is not paid when it is cancelled', () =>
    given(...tea(0), order, done(cancelOrder, { orderId: order.id }))
      .as(customer)
      .when(payOrder, { orderId: order.id })
      .then(refused('ORDER_CANCELLED')));

  it.each([
    [
      'more than there is',
      () =>
        given(...tea(1))
          .as(customer)
          .when(placeOrder, { lines: [two] }),
      'OUT_OF_STOCK',
    ],
    [
      'an unknown product',
      () =>
        given()
          .as(customer)
          .when(placeOrder, { lines: [two] }),
      'PRODUCT_NOT_FOUND',
    ],
    [
      'a line of none',
      () =>
        given(...tea(1))
          .as(customer)
          .when(addLine, { orderId: order.id, line: two }),
      'ORDER_NOT_FOUND',
    ],
    [
      'to remove a line that it has not',
      () =>
        given(order)
          .as(customer)
          .when(removeLine, { orderId: order.id, lineId: testId('none') }),
      'LINE_NOT_FOUND',
    ],
  ])('is refused %s', (_, scenario, reason) => scenario().then(refused(reason)));

  it('never takes more than there is, however many orders come at once', async () => {
    const scenario = given(...tea(5)).as(customer);
    const outcomes = await Promise.all([1, 2, 3, 4].map(() => scenario.when(placeOrder, { lines: [two] }).outcome()));
    expect(outcomes.filter(({ refusal }) => refusal?.reason === 'OUT_OF_STOCK')).toHaveLength(2);
    expect((await scenario.stored(StockType, TEA.id))?.aggregate.available).toBe(1);
  });
});
