import { err, ok } from 'neverthrow';
import { query } from '../../../../src/kernel/bus/query.ts';
import { QueryService } from '../../../gen/orders/v1/query_service_pb.js';
import { OrderNotFound } from '../domain/order-errors.ts';
import { ORDER_COLUMNS, statements, toOrder } from '../read-model/order-summary.ts';
import type { OrdersQueryContext } from './context.ts';

const byId = statements.selectFrom('read.order_summary').select(ORDER_COLUMNS).where('id', '=', '').compile();

/** Answers one order. */
export const getOrder = query(QueryService.method.getOrder, async ({ orderId }, { read }: OrdersQueryContext) => {
  const row = await read.row(byId, [orderId]);
  return row ? ok({ order: toOrder(row) }) : err(new OrderNotFound(orderId));
});
