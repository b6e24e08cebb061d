import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Outcome } from '../../../../gen/audit/v1/command_record_pb.js';
import { CommandService as AuditCommands } from '../../../../gen/audit/v1/command_service_pb.js';
import { QueryService as AuditQueries } from '../../../../gen/audit/v1/query_service_pb.js';
import { CommandService as UsersCommands } from '../../../../gen/users/v1/command_service_pb.js';
import { UserEmailChangedSchema } from '../../../../gen/users/v1/events_pb.js';
import { application as program } from '../../../../src/app.ts';
import { reaction, reactor } from '../../../../src/kernel/feed/reactor.ts';
import { OrderStatus } from '../../../gen/orders/v1/order_pb.js';
import { commandIdOf } from '../../../support/command-id.ts';
import { eventually } from '../../../support/eventually.ts';
import { asAdmin, signUp, somebody } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';
import { orders } from '../module.ts';
import { customer, stocked } from '../orders-app.ts';
import { application } from '../reacting-app.ts';
import { GIFT } from './welcome-gift.ts';

/** A program of the same modules, but for the reactors: those who signed up with it are there before. */
const before = { ...program, modules: [...program.modules, orders] };

/** Sends what only a permission allows. */
const rename = reactor({
  name: 'rename',
  from: 'now',
  on: [
    reaction(UserEmailChangedSchema, (_, { aggregateId }, { send }) =>
      send(UsersCommands.method.changeName, { userId: aggregateId, name: 'Renamed' }),
    ),
  ],
});
const reacting = {
  ...application,
  modules: application.modules.map((module) =>
    module.name === 'orders' ? { ...module, reactors: [...(module.reactors ?? []), rename] } : module,
  ),
};

let app: TestApp;
let plain: TestApp;
let early: { kept: string; deleted: string; order: string };
beforeAll(async () => {
  plain = await startTestApp({ as: before });
  const [kept, deleted] = [await signUp(plain), await signUp(plain)];
  const tea = await stocked(plain, 5);
  const { order } = await customer(plain, deleted.id).commands.placeOrder({ lines: [{ productId: tea, quantity: 1 }] });
  await asAdmin(plain).deleteUser({ userId: deleted.id });
  early = { kept: kept.id, deleted: deleted.id, order: order?.id ?? '' };
  await eventually(async () => {
    const [row] = await plain.database.query<{ unnumbered: number }>(
      'select ((select count(*) from cqrs.event) - (select count(*) from cqrs.feed))::integer as unnumbered',
    );
    expect(row?.unnumbered).toBe(0);
  });
  app = await startTestApp({ as: reacting, beside: plain });
});
afterAll(async () => {
  await app?.stop();
  await plain?.stop();
});

const auditor = () => app.client(AuditQueries, { roles: ['auditor'] });
const strong = { headers: { 'cqrs-consistency': 'strong' } };

async function giftsInStock(number: number): Promise<void> {
  await app.database.query(`insert into orders.product values ($1, 'Tea', 0) on conflict do nothing`, [GIFT]);
  await app.database.query(
    `insert into orders.stock values ($1, $2, 1) on conflict (product_id) do update set available = stock.available + excluded.available`,
    [GIFT, number],
  );
}

async function chainOf(first: string) {
  const { commands } = await auditor().listCommands({ correlationId: first }, strong);
  return commands.toReversed();
}

/** Of one reactor, or of all: nothing is left to be done, not even what waits. */
async function caughtUp(): Promise<void> {
  await eventually(async () => {
    const [row] = await app.database.query<{ left: number }>(
      `select ((select count(*) from cqrs.event) - (select count(*) from cqrs.feed))::integer
         + (select coalesce(sum(last_sequence - checkpoint), 0) from cqrs.processor, cqrs.sequencer where kind = 'reactor')::integer as left`,
    );
    expect(row?.left).toBe(0);
  });
}

describe('a reactor', () => {
  it('lets what cannot be done now wait, and does it when it is asked to: the event is a dead letter in between', async () => {
    // There is no gift yet: whoever was there before gets none, and nobody else has to wait for that.
    await eventually(async () => {
      const letters = await app.database.query<Record<string, unknown>>(
        `select aggregate_id, type, attempts, error from cqrs.dead_letter where processor = 'welcome_gift' order by sequence`,
      );
      const failed = { type: 'users.v1.UserCreated', attempts: 3, error: expect.stringContaining('NOT_FOUND PRODUCT_NOT_FOUND') };
      expect(letters).toEqual([
        { aggregate_id: early.kept, ...failed },
        { aggregate_id: early.deleted, ...failed },
      ]);
    });
    await giftsInStock(100);
    await app.database.query(`update cqrs.dead_letter set retry = true where processor = 'welcome_gift'`);
    await eventually(async () => {
      expect(await app.database.query(`select from cqrs.dead_letter where processor = 'welcome_gift'`)).toEqual([]);
    });
    const { orders: given } = await customer(app, early.kept).queries.listOrders({}, strong);
    expect(given).toHaveLength(1);
  });

  it('begins where it says: with the events from then on, or with all', async () => {
    await caughtUp();
    // welcome_gift has seen the first two users, and close_orders nothing of who was deleted before it was there.
    const { orders: left } = await customer(app, early.deleted).queries.listOrders({}, strong);
    expect(left.find(({ id }) => id === early.order)?.status).toBe(OrderStatus.PLACED);
  });

  it('sends commands to other modules, in a chain of which each record names its cause and the first command', async () => {
    const created = await commandIdOf((onHeader) => app.client(UsersCommands).createUser(somebody(), { onHeader }));
    await eventually(async () => expect(await chainOf(created)).toHaveLength(3));
    const [first, placed, added] = await chainOf(created);
    expect(first).toMatchObject({ method: 'users.v1.CommandService/CreateUser', causationId: '', correlationId: '' });
    expect(placed).toMatchObject({
      method: 'orders.v1.CommandService/PlaceOrder',
      principal: 'reactor welcome_gift',
      outcome: Outcome.SUCCEEDED,
      causationId: first?.eventIds[0],
      correlationId: created,
      peer: '',
    });
    const [orderPlaced] = (await auditor().getCommand({ commandId: placed?.commandId ?? '' }, strong)).events.filter(
      ({ type }) => type === 'orders.v1.OrderPlaced',
    );
    expect(added).toMatchObject({
      method: 'orders.v1.CommandService/AddLine',
      principal: 'reactor thank_you',
      causationId: orderPlaced?.eventId,
      correlationId: created,
    });
    const { command } = await auditor().getCommand({ commandId: added?.commandId ?? '' }, strong);
    expect(command).toMatchObject({ causationId: orderPlaced?.eventId, correlationId: created });
  });

  it('asks and decides: whoever is deleted waits for no order, and what is cancelled already is left as it is', async () => {
    const user = await signUp(app);
    const tea = await stocked(app, 10);
    const { commands, queries } = customer(app, user.id);
    const lines = [{ productId: tea, quantity: 1 }];
    const placed = [
      await commands.placeOrder({ lines }),
      await commands.placeOrder({ lines }),
      await commands.placeOrder({ lines }),
    ];
    await commands.cancelOrder({ orderId: placed[1]?.order?.id ?? '' });
    const deleted = await commandIdOf((onHeader) => asAdmin(app).deleteUser({ userId: user.id }, { onHeader }));
    await eventually(async () => {
      const { orders: listed } = await queries.listOrders({}, strong);
      expect(listed.map(({ status }) => status)).not.toContain(OrderStatus.PLACED);
    });
    const chain = (await chainOf(deleted)).slice(1);
    expect(new Set(chain.map(({ principal }) => principal))).toEqual(new Set(['reactor close_orders']));
    expect(chain.every(({ method }) => method === 'orders.v1.CommandService/CancelOrder')).toBe(true);
    // And the gift, if that was faster.
    expect(chain.length).toBeGreaterThanOrEqual(2);
  });

  it('is started by nothing that is only tried, or run again', async () => {
    const user = await signUp(app);
    await eventually(async () => expect((await customer(app, user.id).queries.listOrders({}, strong)).orders).toHaveLength(1));
    await caughtUp();
    const state = () =>
      app.database.query(`select (select count(*) from cqrs.event)::integer as events, (select count(*) from orders."order")::integer as orders,
        (select count(*) from cqrs.command_log where principal like 'reactor %')::integer as commands, available from orders.stock where product_id = '${GIFT}'`);
    const was = await state();

    await asAdmin(app).deleteUser({ userId: user.id }, { headers: { 'cqrs-dry-run': 'true' } });
    const { commands } = await auditor().listCommands(
      { actor: 'reactor welcome_gift', outcome: Outcome.SUCCEEDED, pageSize: 1 },
      strong,
    );
    const again = await app
      .client(AuditCommands, { roles: ['auditor'] })
      .replayCommand({ commandId: commands[0]?.commandId ?? '' });
    expect(again).toMatchObject({ outcome: Outcome.SUCCEEDED, reason: '' });
    expect(again.events.map(({ type }) => type)).toContain('orders.v1.OrderPlaced');
    await caughtUp();
    expect(await state()).toEqual(was);
  });

  it('has every permission, also when its command is run again', async () => {
    const user = await signUp(app);
    const changed = await commandIdOf((onHeader) =>
      asAdmin(app).changeEmail({ userId: user.id, email: somebody().email }, { onHeader }),
    );
    await eventually(async () => expect(await chainOf(changed)).toHaveLength(2));
    const [, renamed] = await chainOf(changed);
    expect(renamed).toMatchObject({ method: 'users.v1.CommandService/ChangeName', outcome: Outcome.SUCCEEDED });
    const again = await app.client(AuditCommands, { roles: ['auditor'] }).replayCommand({ commandId: renamed?.commandId ?? '' });
    expect(again).toMatchObject({ outcome: Outcome.SUCCEEDED, reason: '' });
  });

  it('cannot be pretended by a caller: a client has no cause', async () => {
    const headers = {
      causation_id: randomUUID(),
      correlation_id: randomUUID(),
      'causation-id': randomUUID(),
      cause: randomUUID(),
    };
    const id = await commandIdOf((onHeader) => app.client(UsersCommands).createUser(somebody(), { headers, onHeader }));
    const { command } = await auditor().getCommand({ commandId: id }, strong);
    expect(command).toMatchObject({ causationId: '', correlationId: '' });
  });
});
