import { processManager, step } from '../../../../src/kernel/feed/process-manager.ts';
import { CommandService } from '../../../gen/orders/v1/command_service_pb.js';
import {
  OrderCancelledSchema,
  OrderLineAddedSchema,
  OrderPaidSchema,
  OrderPlacedSchema,
} from '../../../gen/orders/v1/events_pb.js';
import { UnpaidOrderSchema } from '../../../gen/orders/v1/processes_pb.js';

/** How long an order waits for its payment. */
export const PAY_WITHIN = { minutes: 15 };

/** Whoever adds to an order has the whole time again; so often, and then it ends. */
export const MOST_EXTENSIONS = 3;

const { cancelOrder } = CommandService.method;
/** It may have been paid or cancelled just then. */
const UNPAID = { key: 'unpaid', accepts: ['ORDER_PAID', 'ORDER_CANCELLED'] };

/** An order that is not paid in time is cancelled, and gives back what it took from the stock. */
export const unpaidOrders = processManager(UnpaidOrderSchema, {
  name: 'unpaid_orders',
  from: 'now',
  on: [
    step(OrderPlacedSchema, async (_, { aggregateId: orderId }, { setState, after }) => {
      setState({ extensions: 0 });
      after(PAY_WITHIN, cancelOrder, { orderId }, UNPAID);
    }),
    step(OrderLineAddedSchema, async (_, { aggregateId: orderId }, { state, setState, after }) => {
      if (!state || state.extensions === MOST_EXTENSIONS) return;
      setState({ extensions: state.extensions + 1 });
      after(PAY_WITHIN, cancelOrder, { orderId }, UNPAID);
    }),
    step(OrderPaidSchema, async (_, __, { end }) => end()),
    step(OrderCancelledSchema, async (_, __, { end }) => end()),
  ],
});
