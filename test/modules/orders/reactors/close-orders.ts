import { UserDeletedSchema } from '../../../../gen/users/v1/events_pb.js';
import { reaction, reactor } from '../../../../src/kernel/feed/reactor.ts';
import { CommandService } from '../../../gen/orders/v1/command_service_pb.js';
import { OrderStatus } from '../../../gen/orders/v1/order_pb.js';
import { QueryService } from '../../../gen/orders/v1/query_service_pb.js';

/** Nobody waits for the orders of a user who is deleted. */
export const closeOrders = reactor({
  name: 'close_orders',
  from: 'now',
  on: [
    reaction(UserDeletedSchema, async (_, { aggregateId }, { ask, send }) => {
      const { orders } = await ask(QueryService).listOrders({ customer: aggregateId, pageSize: 100 });
      for (const { id, status } of orders) {
        if (status !== OrderStatus.CANCELLED)
          await send(CommandService.method.cancelOrder, { orderId: id }, { key: id, accepts: ['ORDER_CANCELLED'] });
      }
    }),
  ],
});
