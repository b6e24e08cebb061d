import { err, ok } from 'neverthrow';
import { command } from '../../../../src/kernel/bus/command.ts';
import { CommandService } from '../../../gen/orders/v1/command_service_pb.js';
import { OrderNotFound } from '../domain/order-errors.ts';
import { ORDER_AND_STOCK, type OrdersContext } from './context.ts';
import { toOrder } from './to-order.ts';

/** Removes a line of an order. */
export const removeLine = command(
  CommandService.method.removeLine,
  async ({ orderId, lineId }, { orders }: OrdersContext) => {
    const order = await orders.find(orderId);
    if (!order) return err(new OrderNotFound(orderId));
    const removed = order.removeLine(lineId);
    if (removed.isErr()) return err(removed.error);
    (await orders.stock(removed.value.productId))?.give(removed.value.quantity);
    return ok({ order: toOrder(order) });
  },
  ORDER_AND_STOCK,
);
