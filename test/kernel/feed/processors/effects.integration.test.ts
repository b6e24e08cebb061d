import { randomUUID } from 'node:crypto';
import { fromBinary } from '@bufbuild/protobuf';
import type { Transport } from '@connectrpc/connect';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { UserCreatedSchema, UserDeletedSchema, UserNameChangedSchema } from '#gen/users/v1/events_pb.js';
import { typedError } from '../../../../src/kernel/bus/typed-error.ts';
import { type ProcessManager, processManager, step } from '../../../../src/kernel/feed/process-manager.ts';
import { type FeedHandler, PlaceLost } from '../../../../src/kernel/feed/processors/feed-handler.ts';
import { reactorHandler } from '../../../../src/kernel/feed/processors/reactor-handler.ts';
import { type Reactor, reaction, reactor } from '../../../../src/kernel/feed/reactor.ts';
import { CommandService, RemoveLineRequestSchema } from '../../../gen/orders/v1/command_service_pb.js';
import { StockTakenSchema } from '../../../gen/orders/v1/events_pb.js';
import { OutOfStock } from '../../../modules/orders/domain/order-errors.ts';
import { eventually } from '../../../support/eventually.ts';
import { type FeedWork, type Happened, startFeedWork } from './feed-work.ts';

const { cancelOrder, removeLine } = CommandService.method;

/** Counts the names that somebody had; reminds them of the first and of the last one. */
const names = processManager(StockTakenSchema, {
  name: 'names',
  from: 'beginning',
  on: [
    step(UserCreatedSchema, async (_, { aggregateId }, { setState, after }) => {
      setState({ quantity: 1 });
      after({ hours: 1 }, removeLine, { orderId: aggregateId, lineId: 'first' }, { key: 'first' });
    }),
    step(UserNameChangedSchema, async ({ name }, { aggregateId }, { state, setState, after, cancel, send }) => {
      setState({ quantity: (state?.quantity ?? 0) + 1 });
      after({ minutes: 2 }, removeLine, { orderId: aggregateId, lineId: name }, { key: 'last', accepts: ['ORDER_PAID'] });
      if (name === 'gone') cancel('first');
      if (name === 'refused') await send(cancelOrder, { orderId: aggregateId });
    }),
    step(UserDeletedSchema, async (_, { aggregateId }, { end, after }) => {
      end();
      after(500, removeLine, { orderId: aggregateId, lineId: 'farewell' }, { key: 'last' });
    }),
  ],
});

const created = (id: string): Happened => [UserCreatedSchema, {}, id] as Happened;
const renamed = (id: string, name: string): Happened => [UserNameChangedSchema, { name }, id] as Happened;
const deleted = (id: string): Happened => [UserDeletedSchema, {}, id];

let feed: FeedWork;
let isRefused: boolean;
beforeEach(async () => {
  feed = await startFeedWork();
  isRefused = true;
});
afterEach(async () => feed[Symbol.asyncDispose]());

/** No command gets through as long as it is refused. */
const transport: Transport = {
  unary: async (method) => {
    if (isRefused) throw typedError(new OutOfStock('tea', 1));
    return { stream: false, service: method.parent, method, header: new Headers(), trailer: new Headers(), message: {} } as never;
  },
  stream: () => Promise.reject(new Error('not here')),
};
const start = (made: ProcessManager | Reactor) =>
  feed.start(reactorHandler(made, { transport, permissions: [], logger: feed.logger, newId: () => randomUUID() }));

async function stateOf(key: string): Promise<number | undefined> {
  const [row] = await feed.rows<{ state: Buffer }>('select state from cqrs.process_state where key = $1', key);
  return row && fromBinary(StockTakenSchema, row.state).quantity;
}
async function timersOf(processKey: string): Promise<Record<string, string>> {
  const rows = await feed.rows<{ key: string; request: Buffer; seconds: number }>(
    `select key, request, extract(epoch from due_at - occurred_at)::float8 as seconds
     from cqrs.timer join cqrs.event on event.id = event_id where process_key = $1 order by key`,
    processKey,
  );
  return Object.fromEntries(
    rows.map(({ key, request, seconds }) => [key, `${fromBinary(RemoveLineRequestSchema, request).lineId} after ${seconds}`]),
  );
}
const caughtUp = (last: number): Promise<void> =>
  eventually(async () => {
    const [row] = await feed.rows<{ checkpoint: string }>('select checkpoint from cqrs.processor');
    expect(Number(row?.checkpoint)).toBe(last);
  });
const letters = () => feed.rows('select sequence::integer, attempts, error from cqrs.dead_letter order by sequence');

describe('what a process manager does', () => {
  it('is in the database when its event was dealt with: in one batch, over batches, and over instances', async () => {
    const [ada, grace] = [randomUUID(), randomUUID()];
    await feed.happened(created(ada), renamed(ada, 'two'), created(grace), renamed(ada, 'three'));
    const first = await start(names);
    await caughtUp(4);
    expect(await stateOf(ada)).toBe(3);
    expect(await timersOf(ada)).toEqual({ first: 'first after 3600', last: 'three after 120' });
    expect(await timersOf(grace)).toEqual({ first: 'first after 3600' });

    await first.stop();
    await start(names);
    await caughtUp(await feed.happened(renamed(ada, 'gone'), renamed(grace, 'two')));
    expect(await stateOf(ada)).toBe(4);
    expect(await timersOf(ada)).toEqual({ last: 'gone after 120' });
    expect(await stateOf(grace)).toBe(2);
  });

  it('names the command, its cause, and what it accepts', async () => {
    const ada = randomUUID();
    await feed.happened(created(ada), renamed(ada, 'two'));
    await start(names);
    await caughtUp(2);
    const [timer] = await feed.rows<Record<string, unknown>>(
      `select method, accepts, state, attempts, claimed_by, event_id = event.id as is_cause, correlation_id = event.command_id as is_first
       from cqrs.timer, cqrs.event where key = 'last' and type = 'users.v1.UserNameChanged'`,
    );
    expect(timer).toEqual({
      method: 'orders.v1.CommandService/RemoveLine',
      accepts: ['ORDER_PAID'],
      state: 'waiting',
      attempts: 0,
      claimed_by: null,
      is_cause: true,
      is_first: true,
    });
  });

  it('ends with its state and its timers, and what is set after that stays: in one batch and later', async () => {
    const [ada, grace] = [randomUUID(), randomUUID()];
    await feed.happened(created(ada), renamed(ada, 'two'), deleted(ada), created(grace), renamed(grace, 'two'));
    await start(names);
    await caughtUp(5);
    await caughtUp(await feed.happened(deleted(grace)));
    for (const user of [ada, grace]) {
      expect(await stateOf(user)).toBeUndefined();
      expect(await timersOf(user)).toEqual({ last: 'farewell after 0.5' });
    }
    // Somebody with that id again begins anew.
    await caughtUp(await feed.happened(renamed(ada, 'again')));
    expect(await stateOf(ada)).toBe(1);
  });

  it('is nothing where a step fails, and comes with the dead letter that is tried again', async () => {
    const [ada, grace] = [randomUUID(), randomUUID()];
    await feed.happened(created(ada), renamed(ada, 'refused'), renamed(ada, 'three'), created(grace), renamed(grace, 'two'));
    await start(names);
    await caughtUp(5);
    expect(await stateOf(ada)).toBe(1);
    expect(await timersOf(ada)).toEqual({ first: 'first after 3600' });
    expect(await stateOf(grace)).toBe(2);
    expect(await letters()).toEqual([
      { sequence: 2, attempts: 3, error: 'orders.v1.CommandService/CancelOrder: FAILED_PRECONDITION OUT_OF_STOCK' },
      { sequence: 3, attempts: 0, error: null },
    ]);

    isRefused = false;
    await feed.rows('update cqrs.dead_letter set retry = true where sequence = 2');
    await eventually(async () => expect(await letters()).toEqual([]));
    expect(await stateOf(ada)).toBe(3);
    expect(await timersOf(ada)).toEqual({ first: 'first after 3600', last: 'three after 120' });
  });

  it('is decided by what the process remembered then: where another instance has gone on meanwhile, nothing is', async () => {
    const [begun, slow] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const met: unknown[] = [];
    const handler: FeedHandler = {
      ...reactorHandler(names, { transport, permissions: [], logger: feed.logger, newId: () => randomUUID() }),
      react: async (_event, _signal, effects) => {
        begun.resolve();
        await slow.promise;
        const read = effects.stateOf('process');
        met.push(await read.catch((error: unknown) => error));
        await read;
      },
    };
    await feed.happened(created(randomUUID()));
    const one = await feed.start(handler);
    await begun.promise;
    // It was thought gone, and was only slow.
    await feed.rows(`update cqrs.processor set moves = moves + 1, checkpoint = 1, owner = gen_random_uuid()`);
    await feed.rows(`insert into cqrs.process_state values ('names', 'process', '', now())`);
    slow.resolve();
    await one.stop();
    expect(met).toEqual([expect.any(PlaceLost)]);
  });

  it('is kept by the key that a step names, of whatever aggregate the events are', async () => {
    const together = processManager(StockTakenSchema, {
      name: 'together',
      from: 'beginning',
      on: [
        step(UserCreatedSchema, async (_, __, { state, setState }) => setState({ quantity: (state?.quantity ?? 0) + 1 }), {
          by: () => 'everybody',
        }),
        step(UserDeletedSchema, async (_, __, { end }) => end(), { by: () => 'x'.repeat(201) }),
      ],
    });
    await feed.happened(...Array.from({ length: 120 }, () => created(randomUUID())), deleted(randomUUID()));
    await start(together);
    await caughtUp(121);
    expect(await stateOf('everybody')).toBe(120);
    expect(await letters()).toEqual([{ sequence: 121, attempts: 3, error: 'TypeError in the reaction to users.v1.UserDeleted' }]);
  });
});

describe('a reactor', () => {
  it('sets and cancels timers of the aggregate of its event, each by itself where it has no key', async () => {
    const [ada, grace] = [randomUUID(), randomUUID()];
    const reminding = reactor({
      name: 'reminding',
      from: 'beginning',
      on: [
        reaction(UserCreatedSchema, async (_, { aggregateId: orderId }, tools) => {
          tools.after(1_000, removeLine, { orderId, lineId: 'one' }, { key: 'one' });
          for (const lineId of ['two', 'two']) tools.after(2_000, removeLine, { orderId, lineId });
        }),
        reaction(UserDeletedSchema, async (_, __, { cancel }) => cancel('one')),
      ],
    });
    await feed.happened(created(ada), created(grace), deleted(ada));
    await start(reminding);
    await caughtUp(3);
    expect(Object.values(await timersOf(ada))).toEqual(['two after 2', 'two after 2']);
    expect(Object.values(await timersOf(grace)).toSorted()).toEqual(['one after 1', 'two after 2', 'two after 2']);
  });
});
