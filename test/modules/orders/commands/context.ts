import type { CommandContext } from '../../../../src/kernel/bus/command.ts';
import type { Orders } from '../domain/orders.ts';

export interface OrdersContext extends CommandContext {
  readonly orders: Orders;
}

/** What the commands of this module change: an order, and the stock that it takes from. */
export const ORDER_AND_STOCK = { changes: ['orders.v1.Order', 'orders.v1.Stock'] } as const;
