import { ok } from 'neverthrow';
import { query } from '../../../../src/kernel/bus/query.ts';
import { QueryService } from '../../../gen/orders/v1/query_service_pb.js';
import { ORDER_COLUMNS, statements, toOrder } from '../read-model/order-summary.ts';
import type { OrdersQueryContext } from './context.ts';

/** Answers the newest orders of a customer. */
export const listOrders = query(
  QueryService.method.listOrders,
  async ({ pageSize, customer }, { read, principal }: OrdersQueryContext) => {
    const rows = await read.rows(
      statements
        .selectFrom('read.order_summary')
        .select(ORDER_COLUMNS)
        .where('customer', '=', customer || principal.id)
        .orderBy('id', 'desc')
        .limit(pageSize || 20)
        .compile(),
    );
    return ok({ orders: rows.map(toOrder) });
  },
);
