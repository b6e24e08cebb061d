import { randomUUID } from 'node:crypto';
import { Code } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { OrderStatus } from '../../gen/orders/v1/order_pb.js';
import { reasonOf } from '../../support/errors.ts';
import type { TestApp } from '../../support/test-app.ts';
import { countsOf, customer, startOrdersApp, stocked } from './orders-app.ts';

let app: TestApp;
let other: TestApp;
beforeAll(async () => {
  app = await startOrdersApp();
  other = await startOrdersApp(app);
});
afterAll(async () => {
  await other.stop();
  await app.stop();
});

const STRONG = { headers: { 'cqrs-consistency': 'strong' } };

describe('an order', () => {
  it('is placed with its lines, lowers the stock, and is answered by queries', async () => {
    const [tea, cup] = [await stocked(app, 10), await stocked(app, 5, 1000)];
    const ada = customer(app);
    const lines = [
      { productId: tea, quantity: 2 },
      { productId: cup, quantity: 1 },
    ];
    const { order } = await ada.commands.placeOrder({ lines });
    expect(order).toMatchObject({ status: OrderStatus.PLACED, totalCents: 1500n, version: 1n });
    expect(order?.lines).toMatchObject(lines);
    expect(await ada.queries.getOrder({ orderId: order?.id ?? '' }, STRONG)).toMatchObject({ order });
    expect((await ada.queries.listOrders({}, STRONG)).orders).toEqual([order]);
    expect(await countsOf(app, tea)).toEqual({ available: 8, version: 2, ordered: 2, events: 1, sold: 2 });
    expect(await countsOf(app, cup)).toMatchObject({ available: 4, ordered: 1 });
  });

  it('takes a line more and one less, and gives all back when it is cancelled', async () => {
    const tea = await stocked(app, 10);
    const { commands, queries } = customer(app);
    const { order } = await commands.placeOrder({ lines: [{ productId: tea, quantity: 2 }] });
    const orderId = order?.id ?? '';
    const more = await commands.addLine({ orderId, line: { productId: tea, quantity: 3 } });
    expect(more.order).toMatchObject({ version: 2n, lines: [{ quantity: 2 }, { quantity: 3 }] });
    expect(await countsOf(app, tea)).toMatchObject({ available: 5, ordered: 5 });
    const less = await commands.removeLine({ orderId, lineId: order?.lines[0]?.id ?? '' });
    expect(less.order).toMatchObject({ version: 3n, lines: [{ quantity: 3 }] });
    expect(await countsOf(app, tea)).toMatchObject({ available: 7, ordered: 3 });
    const { order: cancelled } = await commands.cancelOrder({ orderId });
    expect(cancelled).toMatchObject({ status: OrderStatus.CANCELLED, version: 4n });
    expect(await countsOf(app, tea)).toMatchObject({ available: 10, ordered: 0, sold: 5 });
    expect(await queries.getOrder({ orderId }, STRONG)).toMatchObject({ order: cancelled });
  });

  it('may have a product twice', async () => {
    const tea = await stocked(app, 10);
    const { commands } = customer(app);
    const lines = [2, 3].map((quantity) => ({ productId: tea, quantity }));
    const { order } = await commands.placeOrder({ lines });
    expect(await countsOf(app, tea)).toEqual({ available: 5, version: 2, ordered: 5, events: 2, sold: 5 });
    await commands.cancelOrder({ orderId: order?.id ?? '' });
    expect(await countsOf(app, tea)).toMatchObject({ available: 10, version: 3, ordered: 0, events: 4 });
  });

  it('that is refused changes nothing, whatever it had taken', async () => {
    const [tea, cup] = [await stocked(app, 10), await stocked(app, 1)];
    const { commands } = customer(app);
    const refused = commands.placeOrder({
      lines: [
        { productId: tea, quantity: 2 },
        { productId: cup, quantity: 2 },
      ],
    });
    await expect(refused).rejects.toMatchObject({ code: Code.FailedPrecondition });
    expect(await reasonOf(await refused.catch((error: unknown) => error))).toBe('OUT_OF_STOCK');
    expect(await countsOf(app, tea)).toMatchObject({ available: 10, version: 1, events: 0 });
  });

  it('is only tried in a dry run', async () => {
    const tea = await stocked(app, 10);
    const { commands } = customer(app);
    const { order } = await commands.placeOrder(
      { lines: [{ productId: tea, quantity: 2 }] },
      { headers: { 'cqrs-dry-run': 'true' } },
    );
    expect(order).toMatchObject({ version: 1n });
    expect(await countsOf(app, tea)).toMatchObject({ available: 10, ordered: 0, events: 0 });
  });

  it('is placed once under one idempotency key', async () => {
    const tea = await stocked(app, 10);
    const { commands } = customer(app);
    const headers = { 'idempotency-key': randomUUID() };
    const request = { lines: [{ productId: tea, quantity: 2 }] };
    const answers = await Promise.all([1, 2, 3].map(() => commands.placeOrder(request, { headers })));
    expect(new Set(answers.map(({ order }) => order?.id)).size).toBe(1);
    expect(await countsOf(app, tea)).toMatchObject({ available: 8, ordered: 2, events: 1 });
  });

  it('has one record, of the order, with the events of all that it changed', async () => {
    const tea = await stocked(app, 10);
    const { order } = await customer(app).commands.placeOrder({ lines: [{ productId: tea, quantity: 2 }] });
    const [record] = await app.database.query('select * from cqrs.command_log where aggregate_id = $1', [order?.id]);
    expect(record).toMatchObject({ aggregate_type: 'orders.v1.Order', outcome: 'succeeded', version_after: 1 });
    const events = await app.database.query('select type from cqrs.event where id = any ($1) order by type', [record?.event_ids]);
    expect(events).toEqual([{ type: 'orders.v1.OrderPlaced' }, { type: 'orders.v1.StockTaken' }]);
  });
});

describe('orders at the same time, at two instances', () => {
  it('never sell more than there is, and no less', async () => {
    const [tea, cup] = [await stocked(app, 20), await stocked(app, 1000)];
    const order = async (n: number): Promise<string> => {
      const { commands } = customer(n % 2 === 0 ? app : other);
      // In either order, so that commands which wait for each other's rows would meet.
      const lines = [
        { productId: tea, quantity: 1 },
        { productId: cup, quantity: 2 },
      ];
      for (;;) {
        try {
          await commands.placeOrder({ lines: n % 3 === 0 ? lines : lines.reverse() });
          return 'placed';
        } catch (error) {
          const reason = await reasonOf(error);
          // Others won ten times in a row: nothing was done, and the caller is told to send it again.
          if (reason !== 'CONFLICT' && reason !== 'OVERLOADED') return reason ?? String(error);
        }
      }
    };
    const ends = await Promise.all(Array.from({ length: 40 }, (_, n) => order(n)));
    expect(ends.filter((end) => end === 'placed')).toHaveLength(20);
    expect(ends.filter((end) => end === 'OUT_OF_STOCK')).toHaveLength(20);
    expect(await countsOf(app, tea)).toEqual({ available: 0, version: 21, ordered: 20, events: 20, sold: 20 });
    expect(await countsOf(app, cup)).toEqual({ available: 960, version: 21, ordered: 40, events: 20, sold: 40 });
  });

  it('change one order one after the other', async () => {
    const tea = await stocked(app, 100);
    const { order } = await customer(app).commands.placeOrder({ lines: [{ productId: tea, quantity: 1 }] });
    const add = async (n: number): Promise<void> => {
      const { commands } = customer(n % 2 === 0 ? app : other);
      for (;;) {
        try {
          await commands.addLine({ orderId: order?.id ?? '', line: { productId: tea, quantity: 1 } });
          return;
        } catch (error) {
          if ((await reasonOf(error)) !== 'CONFLICT') throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: 12 }, (_, n) => add(n)));
    const { order: now } = await customer(app).queries.getOrder({ orderId: order?.id ?? '' }, STRONG);
    expect(now).toMatchObject({ version: 13n });
    expect(now?.lines).toHaveLength(13);
    expect(await countsOf(app, tea)).toMatchObject({ available: 87, ordered: 13, events: 13 });
  });
});
