import { reaction, reactor } from '../../../../src/kernel/feed/reactor.ts';
import { CommandService } from '../../../gen/orders/v1/command_service_pb.js';
import { OrderPlacedSchema } from '../../../gen/orders/v1/events_pb.js';
import { GIFT } from './welcome-gift.ts';

/** Whoever orders the gift, or is given it, gets one more: a reaction to what another reaction led to. */
export const thankYou = reactor({
  name: 'thank_you',
  from: 'now',
  on: [
    reaction(OrderPlacedSchema, async ({ lines }, { aggregateId }, { send }) => {
      if (!lines.some(({ productId }) => productId === GIFT)) return;
      await send(CommandService.method.addLine, { orderId: aggregateId, line: { productId: GIFT, quantity: 1 } });
    }),
  ],
});
