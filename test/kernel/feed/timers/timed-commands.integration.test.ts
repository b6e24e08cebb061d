import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService as UsersCommands } from '#gen/users/v1/command_service_pb.js';
import { UserCreatedSchema } from '#gen/users/v1/events_pb.js';
import { application as program } from '../../../../src/app.ts';
import { processManager, step } from '../../../../src/kernel/feed/process-manager.ts';
import type { Application } from '../../../../src/kernel/service.ts';
import { CommandService } from '../../../gen/orders/v1/command_service_pb.js';
import { StockTakenSchema } from '../../../gen/orders/v1/events_pb.js';
import { orders } from '../../../modules/orders/module.ts';
import { stocked } from '../../../modules/orders/orders-app.ts';
import { commandIdOf } from '../../../support/command-id.ts';
import { eventually } from '../../../support/eventually.ts';
import { somebody } from '../../../support/people.ts';
import { startTracedApp, type TracedApp } from '../../../support/traced-app.ts';

let productId = '';
/** A moment later, whoever signs up has an order. */
const soon = processManager(StockTakenSchema, {
  name: 'soon',
  from: 'now',
  on: [
    step(UserCreatedSchema, async (_, { aggregateId: customer }, { after }) => {
      after(50, CommandService.method.placeOrder, { customer, lines: [{ productId, quantity: 1 }] });
    }),
  ],
});
const application: Application = { ...program, modules: [...program.modules, { ...orders, processes: [soon] }] };

let traced: TracedApp;
beforeAll(async () => {
  traced = await startTracedApp({ as: application });
  productId = await stocked(traced.app, 10);
});
afterAll(async () => traced?.[Symbol.asyncDispose]());

describe('the command of a timer', () => {
  it('is on record with its process, the event that set it and the first command of the chain, in a trace that is linked to it', async () => {
    const { app, collector } = traced;
    const created = await commandIdOf((onHeader) => app.client(UsersCommands).createUser(somebody(), { onHeader }));
    const records = await eventuallyRecorded(created);
    const [event] = await app.database.query<{ id: string }>('select id from cqrs.event where command_id = $1', [created]);
    expect(records).toEqual([
      {
        method: 'orders.v1.CommandService/PlaceOrder',
        principal: 'reactor soon',
        outcome: 'succeeded',
        causation_id: event?.id,
        trace_id: expect.any(String),
      },
    ]);
    await eventually(async () => expect(await app.database.query('select from cqrs.timer')).toEqual([]));

    await eventually(() => {
      const spans = collector.spans();
      const first = spans.find(({ name, kind }) => name === 'users.v1.CommandService/CreateUser' && kind === 'server');
      const timer = spans.find(({ name }) => name === 'timer soon');
      expect(timer).toMatchObject({
        kind: 'consumer',
        traceId: records[0]?.trace_id,
        links: [{ traceId: first?.traceId, spanId: first?.spanId }],
        attributes: { 'cqrs.reactor': 'soon', 'cqrs.event.id': event?.id, 'cqrs.timer.id': expect.any(String) },
      });
    });
  });
});

/** What is on record of the chain that began with that command. */
async function eventuallyRecorded(first: string) {
  let records: { trace_id: string }[] = [];
  await eventually(async () => {
    records = await traced.app.database.query(
      'select method, principal, outcome, causation_id, trace_id from cqrs.command_log where correlation_id = $1',
      [first],
    );
    expect(records).toHaveLength(1);
  });
  return records;
}
