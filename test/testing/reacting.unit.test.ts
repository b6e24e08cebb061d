import { describe, expect, it } from '@jest/globals';
import { UserCreatedSchema, UserDeletedSchema } from '../../gen/users/v1/events_pb.js';
import { reaction, reactor } from '../../src/kernel/feed/reactor.ts';
import { answers, nothing, reacting, refused, refuses, testId } from '../../src/testing/index.ts';
import { CommandService } from '../gen/orders/v1/command_service_pb.js';
import { QueryService } from '../gen/orders/v1/query_service_pb.js';
import { closeOrders } from '../modules/orders/reactors/close-orders.ts';
import { GIFT, welcomeGift } from '../modules/orders/reactors/welcome-gift.ts';

const ada = testId('ada');
const gift = { type: 'PlaceOrder', customer: ada, lines: [{ productId: GIFT, quantity: 1 }] };

describe('a reactor under test', () => {
  const created = () => reacting(welcomeGift).when(UserCreatedSchema, { name: 'Ada' }, { aggregateId: ada });

  it('sends the commands that are expected, and no others', async () => {
    await created().then(gift);
    await expect(created().then(nothing)).rejects.toThrow(/PlaceOrder/);
    await expect(created().then({ ...gift, customer: 'grace' })).rejects.toThrow(/grace/);
    await expect(created().then(gift, gift)).rejects.toThrow(/PlaceOrder/);
  });

  it('is answered by queries and commands as the test says', async () => {
    const asked = reacting(
      closeOrders,
      answers(QueryService.method.listOrders, { orders: [{ id: testId(1) }, { id: testId(2) }] }),
    );
    await asked
      .when(UserDeletedSchema, {})
      .then({ type: 'CancelOrder', orderId: testId(1) }, { type: 'CancelOrder', orderId: testId(2) });
    await expect(reacting(closeOrders).when(UserDeletedSchema, {}).then(nothing)).rejects.toThrow(
      'the reactor asks orders.v1.QueryService/ListOrders: say by `answers` what it is answered',
    );
  });

  it('fails by a refusal that it does not accept', async () => {
    const { placeOrder } = CommandService.method;
    const when = (reason: string) =>
      reacting(welcomeGift, refuses(placeOrder, reason)).when(UserCreatedSchema, {}, { aggregateId: ada });
    await when('OUT_OF_STOCK').then(gift);
    await when('PRODUCT_NOT_FOUND').then(refused('PRODUCT_NOT_FOUND'));
    await expect(when('PRODUCT_NOT_FOUND').then(gift)).rejects.toThrow(/was refused: PRODUCT_NOT_FOUND/);
  });

  it('is held to the contract of what it sends', async () => {
    const careless = reactor({
      name: 'careless',
      from: 'now',
      on: [reaction(UserDeletedSchema, (_, __, { send }) => send(CommandService.method.cancelOrder, { orderId: 'me' }))],
    });
    await reacting(careless)
      .when(UserDeletedSchema, {})
      .then(refused('INVALID_REQUEST', { fields: ['order_id'] }));
  });

  it('shows what it threw itself, and what it does not react to', async () => {
    const broken = reactor({
      name: 'broken',
      from: 'now',
      on: [reaction(UserDeletedSchema, () => Promise.reject(new RangeError('of its own')))],
    });
    await expect(reacting(broken).when(UserDeletedSchema, {}).then(nothing)).rejects.toThrow(new RangeError('of its own'));
    await expect(reacting(broken).when(UserCreatedSchema, {}).then(nothing)).rejects.toThrow(
      'the reactor broken does not react to users.v1.UserCreated',
    );
  });
});
