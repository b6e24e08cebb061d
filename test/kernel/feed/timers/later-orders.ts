import { UserCreatedSchema } from '#gen/users/v1/events_pb.js';
import { processManager, step } from '../../../../src/kernel/feed/process-manager.ts';
import { CommandService } from '../../../gen/orders/v1/command_service_pb.js';
import { StockTakenSchema } from '../../../gen/orders/v1/events_pb.js';

/** What is ordered: some, so that not every order waits for every other. */
export const PRODUCTS: readonly string[] = Array.from(
  { length: 50 },
  (_, index) => `019ab3a0-0000-7000-8000-${String(index).padStart(12, '0')}`,
);
/** No command is due later than that after its event, in milliseconds. */
export const LATEST = Number(process.env.LATEST_TIMER ?? 10_000);

/** By the last digits of an id, which are random. */
const numberOf = (id: string): number => Number.parseInt(id.slice(-8), 16);

/** A place where users are counted. */
export const groupOf = (id: string): string => `group ${numberOf(id) % 7}`;

/** For every user there is an order a while later: made twice, it would be seen. And it remembers how many users there were. */
export const laterOrders = processManager(StockTakenSchema, {
  name: 'later_orders',
  from: 'beginning',
  on: [
    step(
      UserCreatedSchema,
      async (_, { aggregateId: customer }, { state, setState, after }) => {
        setState({ quantity: (state?.quantity ?? 0) + 1 });
        const productId = PRODUCTS[numberOf(customer) % PRODUCTS.length] ?? '';
        const wait = numberOf(customer) % LATEST;
        after(wait, CommandService.method.placeOrder, { customer, lines: [{ productId, quantity: 1 }] }, { key: customer });
      },
      { by: (_, { aggregateId }) => groupOf(aggregateId) },
    ),
  ],
});
