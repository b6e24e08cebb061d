import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { application } from '../../../src/app.ts';
import { type HistoricEvent, type Scenario, startTestService, type TestService } from '../../../src/testing/index.ts';
import { CommandService } from '../../gen/orders/v1/command_service_pb.js';
import type { Order as OrderMessage } from '../../gen/orders/v1/order_pb.js';
import type { LineFact, Order } from './domain/order.ts';
import { Stock } from './domain/stock.ts';
import { given as givenInMemory, TEA, tea } from './in-memory.ts';
import { orders } from './module.ts';
import { OrderType, StockType } from './persistence/order-types.ts';

const { placeOrder, addLine, removeLine, payOrder, cancelOrder } = CommandService.method;

/** What the events of an order tell of it: all that its two tables keep. */
function orderOf(history: readonly HistoricEvent[]): Pick<Order, 'customer' | 'status' | 'version'> & { lines: LineFact[] } {
  let told = { customer: '', status: 'placed' as Order['status'], lines: [] as LineFact[], version: 0 };
  for (const { event, version } of history) {
    told = { ...told, version };
    if (event.type === 'OrderPlaced') told = { ...told, customer: event.customer as string, lines: event.lines as LineFact[] };
    else if (event.type === 'OrderLineAdded') told = { ...told, lines: [...told.lines, event.line as LineFact] };
    else if (event.type === 'OrderLineRemoved') told = { ...told, lines: told.lines.filter(({ id }) => id !== event.lineId) };
    else if (event.type === 'OrderPaid') told = { ...told, status: 'paid' };
    else if (event.type === 'OrderCancelled') told = { ...told, status: 'cancelled' };
    else throw new Error(`nobody has said what ${event.type} does to an order`);
  }
  return { ...told, lines: told.lines.toSorted(byId) };
}

/** What the events of a stock tell of it. */
function stockOf(history: readonly HistoricEvent[]): Pick<Stock, 'available' | 'version'> {
  const change = ({ event }: HistoricEvent): number => (event.quantity as number) * (event.type === 'StockTaken' ? -1 : 1);
  return { available: history.reduce((sum, event) => sum + change(event), 0), version: history.at(-1)?.version ?? 0 };
}

const byId = (one: LineFact, other: LineFact): number => one.id.localeCompare(other.id);

interface Step {
  readonly rpc: 'place' | 'add' | 'remove' | 'pay' | 'cancel';
  readonly quantity: number;
  /** Which order or line it is about, of those that there are by then. */
  readonly which: number;
}

const steps = fc.array(
  fc.record({
    rpc: fc.constantFrom<Step['rpc'][]>('place', 'add', 'add', 'remove', 'pay', 'cancel'),
    quantity: fc.integer({ min: 1, max: 4 }),
    which: fc.nat(9),
  }),
  { minLength: 3, maxLength: 15 },
);

describe.each([
  ['memory', undefined],
  ['PostgreSQL', { ...application, modules: [...application.modules, orders] }],
])('an order rebuilt from its stored events, in %s', (_, served) => {
  let service: TestService | undefined;
  beforeAll(async () => {
    service = served && (await startTestService(served));
  });
  afterAll(() => service?.stop());

  /** A product with ten of it in stock. */
  function begin(): { scenario: Scenario; productId: string } {
    if (!service) return { scenario: givenInMemory(...tea(10)), productId: TEA.id };
    const productId = randomUUID();
    const product = ({ query }: TestService['database']) =>
      query(`insert into orders.product values ($1, 'Tea', 250)`, [productId]);
    return { scenario: service.given(product, Stock.of(productId, 10)), productId };
  }

  it('is the order that is stored, and so is the stock, whatever commands were done', () =>
    fc.assert(
      fc.asyncProperty(steps, async (drawn) => {
        const { scenario: anybody, productId } = begin();
        const scenario = anybody.as({ id: 'ada' });
        const known = new Map<string, OrderMessage>();
        for (const { rpc, quantity, which } of [{ rpc: 'place', quantity: 1, which: 0 } as Step, ...drawn]) {
          const order = [...known.values()][which % Math.max(1, known.size)];
          const orderId = order?.id ?? '';
          const line = { productId, quantity };
          const lineId = order?.lines[which % Math.max(1, order.lines.length)]?.id ?? randomUUID();
          const sent = {
            place: () => scenario.when(placeOrder, { lines: [line, line] }),
            add: () => scenario.when(addLine, { orderId, line }),
            remove: () => scenario.when(removeLine, { orderId, lineId }),
            pay: () => scenario.when(payOrder, { orderId }),
            cancel: () => scenario.when(cancelOrder, { orderId }),
          }[rpc]();
          const { answer } = await sent.outcome();
          if (answer) {
            const { order: changed } = answer as { order: OrderMessage };
            known.set(changed.id, changed);
          }
        }
        expect(known.size).toBeGreaterThan(0);
        for (const id of known.keys()) {
          const stored = await scenario.stored(OrderType, id);
          if (!stored) throw new Error('it was answered');
          const { customer, status, version, lines } = stored.aggregate;
          const state = { customer, status, version, lines: lines.map(({ fact }) => fact).toSorted(byId) };
          expect(orderOf(stored.history)).toEqual(state);
        }
        const stock = await scenario.stored(StockType, productId);
        expect(stockOf(stock?.history ?? [])).toEqual({
          available: stock?.aggregate.available,
          version: stock?.aggregate.version,
        });
      }),
      { numRuns: served ? 20 : 100 },
    ));
});
