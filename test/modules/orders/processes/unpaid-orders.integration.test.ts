import { randomUUID } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService as OperationsCommands } from '../../../../gen/operations/v1/command_service_pb.js';
import { QueryService as OperationsQueries, TimerState } from '../../../../gen/operations/v1/query_service_pb.js';
import { application as program } from '../../../../src/app.ts';
import { CancelOrderRequestSchema } from '../../../gen/orders/v1/command_service_pb.js';
import { OrderStatus } from '../../../gen/orders/v1/order_pb.js';
import { eventually } from '../../../support/eventually.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';
import { orders } from '../module.ts';
import { type Customer, countsOf, customer, stocked } from '../orders-app.ts';
import { unpaidOrders } from './unpaid-orders.ts';

const application = { ...program, modules: [...program.modules, { ...orders, processes: [unpaidOrders] }] };
const strong = { headers: { 'cqrs-consistency': 'strong' } };
const operator = { roles: ['operator'] };

/** Two instances: either of them sends the command of a timer. */
let app: TestApp;
let other: TestApp;
beforeAll(async () => {
  app = await startTestApp({ as: application });
  other = await startTestApp({ as: application, beside: app });
});
afterAll(async () => {
  await other?.stop();
  await app?.stop();
});

interface TimerRow extends Record<string, unknown> {
  readonly id: string;
  readonly due_at: Date;
}

const timersOf = (orderId: string): Promise<TimerRow[]> =>
  app.database.query<TimerRow>(`select id, due_at from cqrs.timer where process = 'unpaid_orders' and process_key = $1`, [
    orderId,
  ]);

/** Waits for the timer of an order. */
async function timerOf(orderId: string): Promise<TimerRow> {
  let timer: TimerRow | undefined;
  await eventually(async () => {
    [timer] = await timersOf(orderId);
    expect(timer).toBeDefined();
  });
  return timer as TimerRow;
}

/** For that timer alone, 15 minutes pass. */
const timePasses = ({ id }: TimerRow): Promise<unknown> =>
  app.database.query(`update cqrs.timer set due_at = due_at - interval '15 minutes' where id = $1`, [id]);

async function placed(quantity: number): Promise<{ ada: Customer; orderId: string; tea: string }> {
  const tea = await stocked(app, 10);
  const ada = customer(app);
  const { order } = await ada.commands.placeOrder({ lines: [{ productId: tea, quantity }] });
  return { ada, orderId: order?.id ?? '', tea };
}

const statusOf = async ({ ada, orderId }: { ada: Customer; orderId: string }): Promise<OrderStatus | undefined> =>
  (await ada.queries.getOrder({ orderId }, strong)).order?.status;

describe('an order that is not paid in 15 minutes', () => {
  it('is cancelled, and its stock comes back', async () => {
    const { ada, orderId, tea } = await placed(4);
    const timer = await timerOf(orderId);
    const [event] = await app.database.query<{ occurred_at: Date; id: string; command_id: string }>(
      `select id, occurred_at, command_id from cqrs.event where aggregate_id = $1 and type = 'orders.v1.OrderPlaced'`,
      [orderId],
    );
    expect(timer.due_at.getTime() - (event?.occurred_at.getTime() ?? 0)).toBe(15 * 60_000);
    expect(await statusOf({ ada, orderId })).toBe(OrderStatus.PLACED);
    expect(await countsOf(app, tea)).toMatchObject({ available: 6 });

    await timePasses(timer);
    await eventually(async () => expect(await statusOf({ ada, orderId })).toBe(OrderStatus.CANCELLED));
    expect(await countsOf(app, tea)).toMatchObject({ available: 10, ordered: 0 });
    await eventually(async () => expect(await timersOf(orderId)).toEqual([]));
    const records = await app.database.query(
      `select principal, outcome, causation_id, correlation_id from cqrs.command_log where aggregate_id = $1 and method like '%CancelOrder'`,
      [orderId],
    );
    expect(records).toEqual([
      { principal: 'reactor unpaid_orders', outcome: 'succeeded', causation_id: event?.id, correlation_id: event?.command_id },
    ]);
    await eventually(async () =>
      expect(await app.database.query('select from cqrs.process_state where key = $1', [orderId])).toEqual([]),
    );
  });
});

describe('an order that is paid', () => {
  it('has its timer no more', async () => {
    const { ada, orderId, tea } = await placed(4);
    await timerOf(orderId);
    await ada.commands.payOrder({ orderId });
    await eventually(async () => expect(await timersOf(orderId)).toEqual([]));
    expect(await statusOf({ ada, orderId })).toBe(OrderStatus.PAID);
    expect(await countsOf(app, tea)).toMatchObject({ available: 6 });
  });

  it('stays paid when the time is over at that moment: the refusal is accepted', async () => {
    const { ada, orderId } = await placed(4);
    const timer = await timerOf(orderId);
    // Nobody hears of the payment for a while.
    await app.client(OperationsCommands, operator).pauseReactor({ reactor: 'unpaid_orders' });
    try {
      await app.database.query(`update orders."order" set status = 'paid' where id = $1`, [orderId]);
      await timePasses(timer);
      await eventually(async () => expect(await timersOf(orderId)).toEqual([]));
    } finally {
      await app.client(OperationsCommands, operator).resumeReactor({ reactor: 'unpaid_orders' });
    }
    const refused = await app.database.query(
      `select outcome, reason from cqrs.command_log where method like '%CancelOrder' and request ->> 'orderId' = $1`,
      [orderId],
    );
    expect(refused).toEqual([{ outcome: 'rejected', reason: 'ORDER_PAID' }]);
    expect((await ada.queries.getOrder({ orderId }, strong)).order?.version).toBe(1n);
  });
});

describe('an order that is added to', () => {
  it('has the whole time again', async () => {
    const { ada, orderId, tea } = await placed(1);
    const first = await timerOf(orderId);
    await ada.commands.addLine({ orderId, line: { productId: tea, quantity: 1 } });
    await eventually(async () => {
      const [timer] = await timersOf(orderId);
      expect(timer?.due_at.getTime()).toBeGreaterThan(first.due_at.getTime());
    });
    expect(await timersOf(orderId)).toHaveLength(1);
    const [state] = await app.database.query('select state from cqrs.process_state where key = $1', [orderId]);
    expect(state).toEqual({ state: Buffer.from([8, 1]) });
  });
});

describe('a timer whose command is refused', () => {
  it('fails after three tries, is seen by operators, and goes on when they say so', async () => {
    const queries = app.client(OperationsQueries, operator);
    const { ada, orderId } = await placed(1);
    const timer = await timerOf(orderId);
    const wrong = toBinary(CancelOrderRequestSchema, create(CancelOrderRequestSchema, { orderId: randomUUID() }));
    const [{ request } = { request: undefined }] = await app.database.query<{ request: Buffer }>(
      'select request from cqrs.timer where id = $1',
      [timer.id],
    );
    await app.database.query('update cqrs.timer set request = $2 where id = $1', [timer.id, Buffer.from(wrong)]);
    await timePasses(timer);
    await eventually(async () => {
      const { timers } = await queries.listTimers({ process: 'unpaid_orders', state: TimerState.FAILED }, strong);
      const error = 'orders.v1.CommandService/CancelOrder: NOT_FOUND ORDER_NOT_FOUND';
      expect(timers).toMatchObject([{ timerId: timer.id, processKey: orderId, key: 'unpaid', attempts: 3, error }]);
    });
    const { problems } = await queries.getStatus({}, strong);
    expect(problems.map(({ subject }) => subject)).toContain('timers of unpaid_orders');

    await app.database.query('update cqrs.timer set request = $2 where id = $1', [timer.id, request]);
    await app.client(OperationsCommands, operator).retryTimer({ timers: { case: 'timerId', value: timer.id } });
    await eventually(async () => expect(await statusOf({ ada, orderId })).toBe(OrderStatus.CANCELLED));
  });

  it('is never sent when an operator cancels it', async () => {
    const { ada, orderId } = await placed(1);
    const { id } = await timerOf(orderId);
    await app.client(OperationsCommands, operator).cancelTimer({ timerId: id });
    // One that is set later is sent; the one before was not.
    const next = await placed(1);
    await timePasses(await timerOf(next.orderId));
    await eventually(async () => expect(await statusOf(next)).toBe(OrderStatus.CANCELLED));
    expect(await statusOf({ ada, orderId })).toBe(OrderStatus.PLACED);
  });
});

it('is told by the metrics of the instances together', () =>
  eventually(async () => {
    const all = await Promise.all([app, other].map(({ app: { metrics } }) => metrics()));
    const fired = all.flatMap(({ metrics }) => metrics.find(({ name }) => name === 'cqrs_timers_fired_total')?.values ?? []);
    const sum = (outcome: string): number =>
      fired
        .filter(({ labels }) => labels.process === 'unpaid_orders' && labels.outcome === outcome)
        .reduce((total, { value }) => total + value, 0);
    // Cancelled, paid meanwhile, retried, and the one that came after the cancelled one.
    expect([sum('done'), sum('refused'), sum('failed')]).toEqual([4, 2, 1]);
  }));
