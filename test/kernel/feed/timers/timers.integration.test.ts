import { randomUUID } from 'node:crypto';
import { create, type DescMethodUnary, type Message, toBinary } from '@bufbuild/protobuf';
import type { Transport } from '@connectrpc/connect';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { causeKey, principalKey } from '../../../../src/kernel/bus/context-keys.ts';
import { methodName } from '../../../../src/kernel/bus/convention.ts';
import { Conflict, DatabaseUnavailable } from '../../../../src/kernel/bus/errors.ts';
import type { Principal } from '../../../../src/kernel/bus/principal.ts';
import { typedError } from '../../../../src/kernel/bus/typed-error.ts';
import { startInstance } from '../../../../src/kernel/feed/instances.ts';
import { type FiredTimer, startTimers, type Timers } from '../../../../src/kernel/feed/timers/timers.ts';
import { CommandService } from '../../../gen/orders/v1/command_service_pb.js';
import { OrderCancelled, OutOfStock } from '../../../modules/orders/domain/order-errors.ts';
import { eventually } from '../../../support/eventually.ts';
import { type FeedWork, startFeedWork } from '../processors/feed-work.ts';

const { cancelOrder, placeOrder } = CommandService.method;

interface Fired {
  readonly method: string;
  readonly request: object;
  readonly key: string | null;
  readonly principal: Principal | undefined;
  readonly cause: unknown;
  readonly by: string;
}

let feed: FeedWork;
let fired: Fired[];
let reports: FiredTimer[];
let stops: (() => Promise<unknown>)[];
/** What the command does. */
let answer: (fired: Fired) => unknown;
beforeEach(async () => {
  feed = await startFeedWork();
  [fired, reports, stops, answer] = [[], [], [], () => ({})];
});
afterEach(async () => {
  for (const stop of stops.toReversed()) await stop();
  await feed[Symbol.asyncDispose]();
});

const busOf = (by: string): Transport => ({
  unary: async (method, _signal, _timeout, header, request, values) => {
    const call = {
      method: method.name,
      request: request as object,
      key: new Headers(header).get('idempotency-key'),
      principal: values?.get(principalKey),
      cause: values?.get(causeKey),
      by,
    };
    fired.push(call);
    const message = await answer(call);
    return { stream: false, service: method.parent, method, header: new Headers(), trailer: new Headers(), message } as never;
  },
  stream: () => Promise.reject(new Error('not here')),
});

interface Running extends Timers {
  readonly id: string;
  /** Its signs of life end, as when it is killed. */
  readonly fallSilent: () => Promise<unknown>;
}
async function start(name = 'one', methods: readonly DescMethodUnary[] = [cancelOrder, placeOrder]): Promise<Running> {
  const { pool, logger } = feed;
  const instance = await startInstance({ pool, version: 'test', processors: [], logger });
  const timers = startTimers({
    instance: instance.id,
    processes: ['payment'],
    methods: new Map(methods.map((method) => [methodName(method), method])),
    transport: busOf(name),
    permissions: ['a'],
    pool,
    logger,
    report: (report) => reports.push(report),
  });
  stops.push(instance.stop, timers.stop);
  return { ...timers, id: instance.id, fallSilent: instance.stop };
}

/** Sets one that is due in so many milliseconds; returns its id. */
async function setTimer(
  ms: number,
  {
    method = cancelOrder,
    process = 'payment',
    accepts = [],
    request = create(cancelOrder.input, { orderId: 'one' }),
  }: { method?: DescMethodUnary; process?: string; accepts?: readonly string[]; request?: Message } = {},
): Promise<string> {
  const id = randomUUID();
  await feed.rows(
    `insert into cqrs.timer (id, process, process_key, key, method, request, accepts, due_at, event_id, correlation_id, traceparent)
     values ($1::uuid, $2, $1::text, 'unpaid', $3, $4, $5, clock_timestamp() + $6 * interval '1 ms', $7, $8, '')`,
    id,
    process,
    methodName(method),
    Buffer.from(toBinary(method.input, request)),
    accepts,
    ms,
    EVENT,
    COMMAND,
  );
  return id;
}
const EVENT = randomUUID();
const COMMAND = randomUUID();

const rowOf = async (id: string): Promise<Record<string, unknown> | undefined> =>
  (await feed.rows('select state, attempts, refusals, error, claimed_by from cqrs.timer where id = $1', id))[0];
const gone = (id: string): Promise<void> => eventually(async () => expect(await rowOf(id)).toBeUndefined());

describe('a timer that is due', () => {
  it('has its command sent by its process, with its key and its cause, and is gone', async () => {
    const id = await setTimer(-1_000);
    await start();
    await gone(id);
    expect(fired).toEqual([
      {
        method: 'CancelOrder',
        request: create(cancelOrder.input, { orderId: 'one' }),
        key: `timer:${id}`,
        principal: { id: 'reactor payment', roles: [], permissions: new Set(['a']), session: '' },
        cause: { eventId: EVENT, correlationId: COMMAND },
        by: 'one',
      },
    ]);
    expect(reports).toEqual([{ process: 'payment', outcome: 'done', lateSeconds: expect.any(Number) }]);
    expect(reports[0]?.lateSeconds).toBeGreaterThan(0.9);
  });

  it('is not due before, and is sent without a word from whoever set it', async () => {
    await start();
    const [late, soon] = [await setTimer(86_400_000), await setTimer(700)];
    await gone(soon);
    expect(fired).toHaveLength(1);
    expect(reports[0]?.lateSeconds).toBeGreaterThanOrEqual(0);
    expect(await rowOf(late)).toMatchObject({ state: 'waiting', attempts: 0, claimed_by: null });
  });

  it('is sent once by instances that all look', async () => {
    const ids = new Set<string>();
    for (let n = 0; n < 100; n += 1) ids.add(await setTimer(n));
    await Promise.all([start('one'), start('two'), start('three')]);
    await eventually(async () => expect(await feed.rows('select from cqrs.timer')).toEqual([]));
    expect(fired.map(({ key }) => key).toSorted()).toEqual([...ids].map((id) => `timer:${id}`).toSorted());
  });

  it('is sent by another instance when the one that sends it is gone', async () => {
    const never = Promise.withResolvers<void>();
    answer = ({ by }) => (by === 'one' ? never.promise : {});
    const id = await setTimer(0);
    const one = await start('one');
    await eventually(() => expect(fired).toHaveLength(1));
    expect((await rowOf(id))?.claimed_by).toBe(one.id);
    const two = await start('two');
    two.wake();
    await one.fallSilent();
    await gone(id);
    expect(fired.map(({ by, key }) => `${by} ${key}`)).toEqual([`one timer:${id}`, `two timer:${id}`]);
    never.resolve();
  });

  it('is left to instances that know its process and its command', async () => {
    const [process, method] = [
      await setTimer(0, { process: 'another' }),
      await setTimer(0, { method: placeOrder, request: create(placeOrder.input) }),
    ];
    const known = await setTimer(0);
    const one = await start('one', [cancelOrder]);
    await gone(known);
    await one.stop();
    expect(await rowOf(process)).toMatchObject({ attempts: 0, claimed_by: null });
    await start('two');
    await gone(method);
    expect(fired.map(({ by, method }) => `${by} ${method}`)).toEqual(['one CancelOrder', 'two PlaceOrder']);
  });

  it('does not wait for another that takes long', async () => {
    const slow = Promise.withResolvers<void>();
    answer = ({ request }) => ('orderId' in request && request.orderId === 'slow' ? slow.promise : {});
    const first = await setTimer(-1, { request: create(cancelOrder.input, { orderId: 'slow' }) });
    const others = [];
    for (let n = 0; n < 40; n += 1) others.push(await setTimer(0));
    const one = await start();
    for (const id of others) await gone(id);
    expect(await rowOf(first)).toMatchObject({ claimed_by: one.id });
    slow.resolve();
    await gone(first);
  });
});

describe('a command of a timer that does not succeed', () => {
  it('is as good as done for a reason that is accepted, and where it was done before for somebody who is erased', async () => {
    answer = () => {
      throw typedError(new OrderCancelled());
    };
    await start();
    await gone(await setTimer(0, { accepts: ['ORDER_PAID', 'ORDER_CANCELLED'] }));
    expect(reports.map(({ outcome }) => outcome)).toEqual(['done']);
    expect(fired).toHaveLength(1);
  });

  it('is tried three times, and stands then until somebody has it tried again', async () => {
    answer = () => {
      throw typedError(new OutOfStock('a secret product', 1));
    };
    await start();
    const id = await setTimer(0);
    await eventually(async () =>
      expect(await rowOf(id)).toEqual({
        state: 'failed',
        attempts: 3,
        refusals: 3,
        error: 'orders.v1.CommandService/CancelOrder: FAILED_PRECONDITION OUT_OF_STOCK',
        claimed_by: null,
      }),
    );
    expect(reports.map(({ outcome }) => outcome)).toEqual(['refused', 'refused', 'failed']);
    expect(feed.log()).toContain('a timer of payment has failed');
    expect(feed.log()).not.toContain('a secret');
    await gone(await setTimer(0, { accepts: ['OUT_OF_STOCK'] }));
    expect(fired).toHaveLength(4);

    answer = () => ({});
    await feed.rows(`update cqrs.timer set state = 'waiting', refusals = 0, retry_at = null where id = $1`, id);
    await gone(id);
    expect(new Set(fired.map(({ key }) => key)).size).toBe(2);
  });

  it('is tried as long as it takes where it could not be done now', async () => {
    answer = () => {
      throw typedError(fired.length % 2 === 0 ? new DatabaseUnavailable() : new Conflict());
    };
    await start();
    const id = await setTimer(0);
    await eventually(() => expect(fired.length).toBeGreaterThan(4));
    expect(await rowOf(id)).toMatchObject({ state: 'waiting', refusals: 0 });
    answer = () => ({});
    await gone(id);
    expect(new Set(reports.map(({ outcome }) => outcome))).toEqual(new Set(['later', 'done']));
  });
});

describe('instances that stop', () => {
  it('finish what they send, and begin nothing', async () => {
    const slow = Promise.withResolvers<void>();
    answer = () => slow.promise;
    const id = await setTimer(0);
    const one = await start();
    await eventually(() => expect(fired).toHaveLength(1));
    const stopped = one.stop();
    const later = await setTimer(-1);
    one.wake();
    slow.resolve();
    await stopped;
    expect(await rowOf(id)).toBeUndefined();
    expect(await rowOf(later)).toMatchObject({ attempts: 0, claimed_by: null });
    expect(fired).toHaveLength(1);
  });
});
