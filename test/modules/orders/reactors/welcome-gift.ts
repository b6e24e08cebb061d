import { UserCreatedSchema } from '../../../../gen/users/v1/events_pb.js';
import { reaction, reactor } from '../../../../src/kernel/feed/reactor.ts';
import { CommandService } from '../../../gen/orders/v1/command_service_pb.js';

/** What every new user is given. */
export const GIFT = '019ab3a0-0000-7000-8000-0000000061f7';

/** A new user is given something, while there is some: an order that is one too many would be seen in the stock. */
export const welcomeGift = reactor({
  name: 'welcome_gift',
  from: 'beginning',
  on: [
    reaction(UserCreatedSchema, async (_, { aggregateId }, { send }) => {
      const gift = { customer: aggregateId, lines: [{ productId: GIFT, quantity: 1 }] };
      await send(CommandService.method.placeOrder, gift, { accepts: ['OUT_OF_STOCK'] });
    }),
  ],
});
