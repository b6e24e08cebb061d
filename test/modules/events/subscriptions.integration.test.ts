import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { QueryService as AuditQueries } from '#gen/audit/v1/query_service_pb.js';
import { CommandService } from '#gen/events/v1/command_service_pb.js';
import { QueryService, type SubscribeEventsResponse } from '#gen/events/v1/query_service_pb.js';
import type { User } from '#gen/users/v1/user_pb.js';
import { refusalOf } from '../../support/errors.ts';
import { asAdmin, signUp } from '../../support/people.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';
import { numbered } from './feed-of-people.ts';

let app: TestApp;
let beside: TestApp;
let ada: User;
let end: bigint;
let stop: AbortController;
beforeAll(async () => {
  app = await startTestApp();
  beside = await startTestApp({ beside: app });
  ada = await signUp(app);
  await renamed(9);
  end = await numbered(app);
});
afterAll(async () => {
  await beside.stop();
  await app.stop();
});
beforeEach(() => {
  stop = new AbortController();
});
afterEach(() => stop.abort());

async function renamed(times: number): Promise<void> {
  for (let n = 1; n <= times; n += 1) await asAdmin(app).changeName({ userId: ada.id, name: `Ada ${n}` });
}

const BILLING = { roles: ['auditor'], id: 'billing' };
const OTHER = { roles: ['auditor'], id: 'other' };
const ADMIN = { roles: ['admin'] };
const commands = (caller = BILLING, of = app) => of.client(CommandService, caller);

let count = 0;
function name(): string {
  count += 1;
  return `billing.${count}`;
}

/** The messages of the stream of a consumer, taken one by one. */
function consume(subscription: string, consumer: string, of = app) {
  const messages = of
    .client(QueryService, BILLING)
    .subscribeEvents({ subscription, consumer }, { signal: stop.signal })
    [Symbol.asyncIterator]();
  const next = async (): Promise<SubscribeEventsResponse> => (await messages.next()).value;
  /** How it ends, whatever comes before. */
  async function over(): Promise<void> {
    while (!(await messages.next()).done);
  }
  return { next, over };
}

describe('a subscription', () => {
  it('goes on behind what was acknowledged, for whoever opens it next', async () => {
    const subscription = name();
    const first = await commands().openSubscription({ subscription, afterSequence: 0n });
    expect(first.acknowledgedSequence).toBe(0n);
    const stream = consume(subscription, first.consumer);
    for (const sequence of [1n, 2n, 3n]) expect((await stream.next()).event?.sequence).toBe(sequence);
    expect(await commands().acknowledgeEvents({ subscription, sequence: 2n })).toMatchObject({ acknowledgedSequence: 2n });

    const second = await commands().openSubscription({ subscription });
    expect(second.acknowledgedSequence).toBe(2n);
    expect(await consume(subscription, second.consumer).next()).toMatchObject({ afterSequence: 2n, event: { sequence: 3n } });
  });

  it('begins at the end of the feed when nothing else is asked for, and goes on after a break as the same consumer', async () => {
    const subscription = name();
    const { consumer, acknowledgedSequence } = await commands().openSubscription({ subscription });
    expect(acknowledgedSequence).toBe(end);
    for (let time = 0; time < 2; time += 1) {
      expect(await consume(subscription, consumer).next()).toMatchObject({ throughSequence: end, caughtUp: true });
    }
  });

  it('never moves backwards, and not behind the end of the feed', async () => {
    const subscription = name();
    await commands().openSubscription({ subscription, afterSequence: 0n });
    const acknowledge = (sequence: bigint) => commands().acknowledgeEvents({ subscription, sequence });
    await acknowledge(5n);
    expect((await acknowledge(3n)).acknowledgedSequence).toBe(5n);
    expect((await acknowledge(5n)).acknowledgedSequence).toBe(5n);
    expect(await refusalOf(acknowledge(end + 1n))).toMatchObject({
      reason: 'SEQUENCE_NOT_REACHED',
      metadata: { last_sequence: String(end) },
    });
    const ahead = commands().openSubscription({ subscription: name(), afterSequence: end + 1n });
    expect(await refusalOf(ahead)).toMatchObject({ reason: 'SEQUENCE_NOT_REACHED' });
    // Acknowledged by many at once, it is at the furthest place.
    await Promise.all([7n, 9n, 6n, 8n].map(acknowledge));
    expect((await commands().openSubscription({ subscription })).acknowledgedSequence).toBe(9n);
  });

  it('is acknowledged by commands with their record, once for a key', async () => {
    const subscription = name();
    await commands().openSubscription({ subscription, afterSequence: 0n });
    const headers = { 'idempotency-key': subscription };
    for (let time = 0; time < 2; time += 1) await commands().acknowledgeEvents({ subscription, sequence: 1n }, { headers });
    await commands().acknowledgeEvents({ subscription, sequence: 4n }, { headers: { 'cqrs-dry-run': 'true' } });
    expect((await commands().openSubscription({ subscription })).acknowledgedSequence).toBe(1n);
    const { commands: records } = await app
      .client(AuditQueries, ADMIN)
      .listCommands(
        { method: 'events.v1.CommandService/AcknowledgeEvents', pageSize: 3 },
        { headers: { 'cqrs-consistency': 'strong' } },
      );
    expect(records.map(({ principal, request }) => ({ principal, request }))).toEqual([
      { principal: 'billing', request: { subscription, sequence: '4' } },
      { principal: 'billing', request: { subscription, sequence: '1' } },
      { principal: 'billing', request: { subscription, sequence: '1' } },
    ]);
  });

  it.each([
    ['the same instance', () => app],
    ['another instance', () => beside],
  ])('is taken over by who opens it at %s: the stream of the one before ends, and does not begin again', async (_, at) => {
    const subscription = name();
    const before = await commands().openSubscription({ subscription });
    const stream = consume(subscription, before.consumer);
    await stream.next();
    const after = await commands(BILLING, at()).openSubscription({ subscription });
    expect(await refusalOf(stream.over())).toMatchObject({ code: 'FailedPrecondition', reason: 'SUBSCRIPTION_TAKEN_OVER' });
    expect(await refusalOf(consume(subscription, before.consumer).next())).toMatchObject({ reason: 'SUBSCRIPTION_TAKEN_OVER' });
    expect(await consume(subscription, after.consumer, at()).next()).toMatchObject({ caughtUp: true });
  });

  it('that is deleted ends the stream of its consumer', async () => {
    const subscription = name();
    const { consumer } = await commands().openSubscription({ subscription });
    const stream = consume(subscription, consumer);
    await stream.next();
    await commands().deleteSubscription({ subscription });
    expect(await refusalOf(stream.over())).toMatchObject({ code: 'NotFound', reason: 'SUBSCRIPTION_NOT_FOUND' });
    expect(await refusalOf(consume(subscription, consumer).next())).toMatchObject({ reason: 'SUBSCRIPTION_NOT_FOUND' });
  });

  it('belongs to who made it, and to those with events.write', async () => {
    const subscription = name();
    await commands().openSubscription({ subscription, afterSequence: 0n });
    expect(await refusalOf(commands(OTHER).openSubscription({ subscription }))).toMatchObject({
      code: 'AlreadyExists',
      reason: 'SUBSCRIPTION_NAME_TAKEN',
    });
    for (const act of [
      () => commands(OTHER).acknowledgeEvents({ subscription, sequence: 1n }),
      () => commands(OTHER).acknowledgeEvents({ subscription: 'unknown', sequence: 1n }),
      () => commands(OTHER).deleteSubscription({ subscription }),
      () => commands({ roles: ['operator'], id: 'op' }).openSubscription({ subscription: name() }),
    ]) {
      expect(await refusalOf(act())).toMatchObject({ code: 'PermissionDenied', reason: 'PERMISSION_MISSING' });
    }
    const admin = app.client(CommandService, ADMIN);
    expect((await admin.acknowledgeEvents({ subscription, sequence: 1n })).acknowledgedSequence).toBe(1n);
    await admin.openSubscription({ subscription });
    expect((await commands().openSubscription({ subscription })).acknowledgedSequence).toBe(1n);
    await admin.deleteSubscription({ subscription });
    expect(await refusalOf(admin.deleteSubscription({ subscription }))).toMatchObject({ reason: 'SUBSCRIPTION_NOT_FOUND' });
  });

  it('needs its consumer, and has its own place', async () => {
    const queries = app.client(QueryService, BILLING);
    const { consumer } = await commands().openSubscription({ subscription: name() });
    for (const request of [
      { subscription: 'billing' },
      { consumer },
      { subscription: 'billing', consumer, afterSequence: 0n },
      { subscription: 'no blanks', consumer },
    ]) {
      const messages = queries.subscribeEvents(request)[Symbol.asyncIterator]();
      expect(await refusalOf(messages.next())).toMatchObject({ code: 'InvalidArgument', reason: 'INVALID_REQUEST' });
    }
  });
});
