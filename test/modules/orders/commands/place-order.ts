import { err, ok } from 'neverthrow';
import { command } from '../../../../src/kernel/bus/command.ts';
import { CommandService } from '../../../gen/orders/v1/command_service_pb.js';
import { Order } from '../domain/order.ts';
import { ORDER_AND_STOCK, type OrdersContext } from './context.ts';
import { takeFromStock } from './take-from-stock.ts';
import { toOrder } from './to-order.ts';

/** Orders some products. */
export const placeOrder = command(
  CommandService.method.placeOrder,
  async (request, { orders, newId, principal }: OrdersContext) => {
    const id = newId();
    const lines = [];
    for (const wanted of request.lines) {
      const taken = await takeFromStock(wanted, orders);
      if (taken.isErr()) return err(taken.error);
      lines.push({ id: newId(), ...taken.value });
    }
    const order = Order.place({ id, customer: request.customer || principal.id, lines });
    orders.add(order);
    return ok({ order: toOrder(order) });
  },
  ORDER_AND_STOCK,
);
