import { err, ok } from 'neverthrow';
import { command } from '../../../../src/kernel/bus/command.ts';
import { CommandService } from '../../../gen/orders/v1/command_service_pb.js';
import { OrderNotFound } from '../domain/order-errors.ts';
import { ORDER_AND_STOCK, type OrdersContext } from './context.ts';
import { toOrder } from './to-order.ts';

/** Cancels an order. */
export const cancelOrder = command(
  CommandService.method.cancelOrder,
  async ({ orderId }, { orders }: OrdersContext) => {
    const order = await orders.find(orderId);
    if (!order) return err(new OrderNotFound(orderId));
    const cancelled = order.cancel();
    if (cancelled.isErr()) return err(cancelled.error);
    for (const { productId, quantity } of cancelled.value) (await orders.stock(productId))?.give(quantity);
    return ok({ order: toOrder(order) });
  },
  ORDER_AND_STOCK,
);
