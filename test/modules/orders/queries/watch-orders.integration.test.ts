import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { WatchOrdersResponse } from '../../../gen/orders/v1/query_service_pb.js';
import type { TestApp } from '../../../support/test-app.ts';
import { numbered } from '../../events/feed-of-people.ts';
import { type Customer, customer, startOrdersApp, stocked } from '../orders-app.ts';

let app: TestApp;
let stop: AbortController;
beforeAll(async () => {
  app = await startOrdersApp();
});
afterAll(() => app.stop());
beforeEach(() => {
  stop = new AbortController();
});
afterEach(() => stop.abort());

/** A stream, read message by message: what each says, in short. */
function watch({ queries }: Customer, request: Parameters<Customer['queries']['watchOrders']>[0] = {}) {
  const options = { headers: { 'cqrs-consistency': 'strong' }, signal: stop.signal };
  const messages = queries.watchOrders(request, options)[Symbol.asyncIterator]();
  return async (): Promise<unknown[]> => {
    const { change }: WatchOrdersResponse = (await messages.next()).value;
    if (change.case === 'snapshot' || change.case === 'upsert') return [change.case, change.value.id, change.value.lines.length];
    return change.case === 'removedOrderId' ? [change.case, change.value] : [change.case];
  };
}

describe('watchOrders', () => {
  it('is the live query of another module: it tells of orders with their lines, and nothing of those of others', async () => {
    const product = await stocked(app, 100);
    const [ada, grace] = [customer(app), customer(app)];
    const lines = [{ productId: product, quantity: 1 }];
    const { order } = await ada.commands.placeOrder({ lines });
    const orderId = order?.id ?? '';
    await numbered(app);
    const next = watch(ada, { placedOnly: true });
    expect(await next()).toEqual(['snapshot', orderId, 1]);
    expect(await next()).toEqual(['caughtUp']);

    const { order: other } = await grace.commands.placeOrder({ lines });
    await grace.commands.cancelOrder({ orderId: other?.id ?? '' });
    await ada.commands.addLine({ orderId, line: { productId: product, quantity: 2 } });
    expect(await next()).toEqual(['upsert', orderId, 2]);
    await ada.commands.cancelOrder({ orderId });
    expect(await next()).toEqual(['removedOrderId', orderId]);
    const { order: second } = await ada.commands.placeOrder({ lines });
    expect(await next()).toEqual(['upsert', second?.id, 1]);
  });
});
