import { err } from 'neverthrow';
import { command } from '../../../../src/kernel/bus/command.ts';
import { CommandService } from '../../../gen/orders/v1/command_service_pb.js';
import { OrderNotFound } from '../domain/order-errors.ts';
import { ORDER_AND_STOCK, type OrdersContext } from './context.ts';
import { takeFromStock } from './take-from-stock.ts';
import { toOrder } from './to-order.ts';

/** Adds a product to an order. */
export const addLine = command(
  CommandService.method.addLine,
  async ({ orderId, line }, { orders, newId }: OrdersContext) => {
    const order = await orders.find(orderId);
    if (!order || !line) return err(new OrderNotFound(orderId));
    const taken = await takeFromStock(line, orders);
    if (taken.isErr()) return err(taken.error);
    return order.addLine({ id: newId(), ...taken.value }).map(() => ({ order: toOrder(order) }));
  },
  ORDER_AND_STOCK,
);
