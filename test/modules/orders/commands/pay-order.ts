import { err } from 'neverthrow';
import { command } from '../../../../src/kernel/bus/command.ts';
import { CommandService } from '../../../gen/orders/v1/command_service_pb.js';
import { OrderNotFound } from '../domain/order-errors.ts';
import type { OrdersContext } from './context.ts';
import { toOrder } from './to-order.ts';

/** Notes that an order is paid. */
export const payOrder = command(CommandService.method.payOrder, async ({ orderId }, { orders }: OrdersContext) => {
  const order = await orders.find(orderId);
  return order ? order.pay().map(() => ({ order: toOrder(order) })) : err(new OrderNotFound(orderId));
});
