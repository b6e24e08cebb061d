import { describe, it } from '@jest/globals';
import { ended, nothing, reacting, remembers, state, testId, timer } from '../../../../src/testing/index.ts';
import {
  OrderCancelledSchema,
  OrderLineAddedSchema,
  OrderPaidSchema,
  OrderPlacedSchema,
} from '../../../gen/orders/v1/events_pb.js';
import { MOST_EXTENSIONS, unpaidOrders } from './unpaid-orders.ts';

const order = { aggregateId: testId('order') };
const cancels = timer({ minutes: 15 }, { type: 'CancelOrder', orderId: testId('order') }, 'unpaid');

describe('unpaid_orders', () => {
  it('cancels an order after 15 minutes', () =>
    reacting(unpaidOrders)
      .when(OrderPlacedSchema, {}, order)
      .then(cancels, state({ extensions: 0 })));

  it('gives the whole time again to whoever adds to an order', () =>
    reacting(unpaidOrders, remembers({ extensions: 1 }))
      .when(OrderLineAddedSchema, {}, order)
      .then(cancels, state({ extensions: 2 })));

  it('does not do that for ever, nor for an order that it does not know', async () => {
    const tired = reacting(unpaidOrders, remembers({ extensions: MOST_EXTENSIONS }));
    await tired.when(OrderLineAddedSchema, {}, order).then(nothing);
    await reacting(unpaidOrders).when(OrderLineAddedSchema, {}, order).then(nothing);
  });

  it.each([OrderPaidSchema, OrderCancelledSchema])('ends with $typeName', (event) =>
    reacting(unpaidOrders, remembers({ extensions: 1 }))
      .when(event, {}, order)
      .then(ended),
  );
});
