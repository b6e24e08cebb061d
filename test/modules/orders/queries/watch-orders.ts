import type { MessageInitShape } from '@bufbuild/protobuf';
import { streamQuery } from '../../../../src/kernel/bus/query.ts';
import type { Told } from '../../../../src/kernel/feed/watching/live-query.ts';
import { QueryService, type WatchOrdersResponseSchema } from '../../../gen/orders/v1/query_service_pb.js';
import { type OrderRow, toOrder } from '../read-model/order-summary.ts';
import { ordersOf } from '../read-model/watched-orders.ts';
import type { OrdersQueryContext } from './context.ts';

/** Sends the caller's orders, and goes on with what becomes of them. */
export const watchOrders = streamQuery(
  QueryService.method.watchOrders,
  async function* ({ placedOnly, resumeToken }, { read, liveOrders, principal, signal }: OrdersQueryContext) {
    for await (const told of liveOrders.watch(read, ordersOf(principal.id, { placedOnly }), { resumeToken, signal })) {
      yield { change: changeOf(told), resumeToken: told.resumeToken };
    }
  },
);

function changeOf(told: Told<OrderRow>): NonNullable<MessageInitShape<typeof WatchOrdersResponseSchema>['change']> {
  if (told.kind === 'removed') return { case: 'removedOrderId', value: told.id };
  if (told.kind === 'snapshot' || told.kind === 'upsert') return { case: told.kind, value: toOrder(told.row) };
  return { case: told.kind, value: {} };
}
