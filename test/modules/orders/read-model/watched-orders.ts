import { sql } from 'kysely';
import type { WatchedTable } from '../../../../src/kernel/feed/watching/changes.ts';
import type { WatchedList } from '../../../../src/kernel/feed/watching/watched-list.ts';
import { ORDER_COLUMNS, type OrderRow, statements } from './order-summary.ts';

/** What WatchOrders watches. */
export const watchedOrders: WatchedTable<OrderRow> = {
  aggregateType: 'orders.v1.Order',
  table: 'read.order_summary',
  id: 'id',
  columns: ORDER_COLUMNS,
};

const PAGE = 100;

/** The orders of a customer. */
export const ordersOf = (customer: string, { placedOnly }: { placedOnly: boolean }): WatchedList<OrderRow> => ({
  identity: [customer, placedOnly],
  has: (row) => row.customer === customer && (!placedOnly || row.status === 'placed'),
  mayHaveHad: (row) => row.customer === customer,
  page: async (read, after) => {
    let orders = statements.selectFrom('read.order_summary').select(ORDER_COLUMNS).where('customer', '=', customer);
    if (placedOnly) orders = orders.where('status', '=', 'placed');
    if (after) orders = orders.where('id', '>', sql<string>`${after[0]}::uuid`);
    const rows = await read.rows(orders.orderBy('id').limit(PAGE).compile());
    return { rows, next: rows.length === PAGE ? [rows.at(-1)?.id ?? ''] : undefined };
  },
});
