import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { application } from '../../src/app.ts';
import { startTestService, type TestService } from '../../src/testing/index.ts';
import { CommandService } from '../gen/orders/v1/command_service_pb.js';
import { OrderStatus } from '../gen/orders/v1/order_pb.js';
import { QueryService } from '../gen/orders/v1/query_service_pb.js';
import { orders } from '../modules/orders/module.ts';
import { stocked } from '../modules/orders/orders-app.ts';
import { unpaidOrders } from '../modules/orders/processes/unpaid-orders.ts';
import { eventually } from '../support/eventually.ts';

let service: TestService;
beforeAll(async () => {
  service = await startTestService({
    ...application,
    modules: [...application.modules, { ...orders, processes: [unpaidOrders] }],
  });
});
afterAll(() => service.stop());

const ada = { id: 'ada' };

async function placed(): Promise<{ orderId: string; status: () => Promise<OrderStatus | undefined> }> {
  const productId = await stocked(service, 5);
  const { order } = await service.client(CommandService, ada).placeOrder({ lines: [{ productId, quantity: 1 }] });
  const orderId = order?.id ?? '';
  const headers = { 'cqrs-consistency': 'strong' };
  const status = async () => (await service.client(QueryService, ada).getOrder({ orderId }, { headers })).order?.status;
  return { orderId, status };
}

describe('timePasses', () => {
  it('has timers due so much sooner, those of what happened just now too', async () => {
    const { orderId, status } = await placed();
    await service.timePasses({ minutes: 14 });
    const [timer] = await service.database.query<{ left: number }>(
      `select extract(epoch from due_at - occurred_at)::integer as left from cqrs.timer join cqrs.event on event.id = event_id
       where process_key = $1`,
      [orderId],
    );
    expect(timer).toEqual({ left: 60 });
    expect(await status()).toBe(OrderStatus.PLACED);
    await service.timePasses({ minutes: 1 });
    await eventually(async () => expect(await status()).toBe(OrderStatus.CANCELLED));
  });

  it('waits until events have cancelled timers', async () => {
    const { orderId, status } = await placed();
    await service.client(CommandService, ada).payOrder({ orderId });
    await service.timePasses({ days: 1 });
    expect(await service.database.query('select from cqrs.timer where process_key = $1', [orderId])).toEqual([]);
    expect(await status()).toBe(OrderStatus.PAID);
  });
});
