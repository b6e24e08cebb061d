import { liveQuery } from '../../../src/kernel/feed/watching/live-query.ts';
import { defineModule } from '../../../src/kernel/module.ts';
import { file_orders_v1_events } from '../../gen/orders/v1/events_pb.js';
import { Migration20261130100000Orders } from './migrations/20261130100000-orders.ts';
import { Migration20261201100000PaidOrders } from './migrations/20261201100000-paid-orders.ts';
import { orderRepository } from './persistence/order-repository.ts';
import { OrderType, StockType } from './persistence/order-types.ts';
import { watchedOrders } from './read-model/watched-orders.ts';
import { services } from './services.ts';

/** Orders, the products they refer to and the stock they take from: a module as an application has them, for tests. */
export const orders = defineModule({
  name: 'orders',
  services,
  aggregates: [OrderType, StockType],
  events: [file_orders_v1_events],
  migrations: [
    { name: '20261130100000-orders', class: Migration20261130100000Orders },
    { name: '20261201100000-paid-orders', class: Migration20261201100000PaidOrders },
  ],
  start: ({ news, keys }) => ({ liveOrders: liveQuery(watchedOrders, { news, pageTokens: keys.pageTokens }) }),
  commandContext: (_, { work }) => ({ orders: orderRepository(work) }),
  queryContext: (_, { read, parts: { liveOrders } }) => ({ read, liveOrders }),
});
