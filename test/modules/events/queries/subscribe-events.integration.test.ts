import { createRegistry } from '@bufbuild/protobuf';
import { createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { QueryService, type SubscribeEventsResponse } from '#gen/events/v1/query_service_pb.js';
import { file_users_v1_events } from '#gen/users/v1/events_pb.js';
import type { User } from '#gen/users/v1/user_pb.js';
import { inProcessTransport } from '../../../../src/kernel/doors/in-process.ts';
import { refusalOf } from '../../../support/errors.ts';
import { eventually } from '../../../support/eventually.ts';
import { asAdmin, logIn, signUp } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';
import { numbered } from '../feed-of-people.ts';

const strong = { 'cqrs-consistency': 'strong' };

let app: TestApp;
let stop: AbortController;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());
beforeEach(() => {
  stop = new AbortController();
});
afterEach(() => stop.abort());

type Request = Parameters<ReturnType<typeof client>['subscribeEvents']>[0];
const client = (role = 'admin', of: TestApp = app) => of.client(QueryService, { roles: [role] });

/** The messages of a stream, taken one by one. */
function subscribe(request: Request, { role = 'admin', headers = strong as Record<string, string>, of = app } = {}) {
  const messages = client(role, of).subscribeEvents(request, { headers, signal: stop.signal })[Symbol.asyncIterator]();
  const next = async (): Promise<SubscribeEventsResponse> => (await messages.next()).value;
  return {
    next,
    /** All up to the first that is about a place, and that one. */
    through: async (place: bigint) => {
      const taken: SubscribeEventsResponse[] = [];
      while ((taken.at(-1)?.throughSequence ?? -1n) < place) taken.push(await next());
      return taken;
    },
  };
}

const places = (messages: readonly SubscribeEventsResponse[]): bigint[] =>
  messages.flatMap(({ event }) => (event ? [event.sequence] : []));

/** Whether each message begins where the one before ended. */
function expectNoGap(messages: readonly SubscribeEventsResponse[], after: bigint): void {
  for (const [index, message] of messages.entries())
    expect(message.afterSequence).toBe(messages[index - 1]?.throughSequence ?? after);
}

const range = (after: bigint, through: bigint): bigint[] =>
  Array.from({ length: Number(through - after) }, (_, index) => after + BigInt(index) + 1n);

async function renamed(user: User, times: number): Promise<void> {
  for (let n = 1; n <= times; n += 1) await asAdmin(app).changeName({ userId: user.id, name: `Somebody ${n}` });
}

describe('subscribeEvents', () => {
  it('sends what is there, says that it has caught up, and goes on with what comes, without a gap', async () => {
    const user = await signUp(app);
    await renamed(user, 3);
    const end = await numbered(app);
    const stream = subscribe({ afterSequence: 0n });
    const first = await stream.through(end);
    expect(places(first)).toEqual(range(0n, end));
    expectNoGap(first, 0n);
    expect(await stream.next()).toMatchObject({ afterSequence: end, throughSequence: end, caughtUp: true });
    await renamed(user, 2);
    const more = await stream.through(end + 2n);
    expect(places(more)).toEqual([end + 1n, end + 2n]);
    expectNoGap(more, end);
  });

  it('without a place sends only what comes from now on, and says where that is', async () => {
    const user = await signUp(app);
    const end = await numbered(app);
    const stream = subscribe({});
    expect(await stream.next()).toMatchObject({ afterSequence: end, throughSequence: end, caughtUp: true });
    await renamed(user, 1);
    expect(await stream.next()).toMatchObject({ event: { sequence: end + 1n, aggregateId: user.id } });
  });

  it.each([
    ['an aggregate', {}, 3],
    ['an aggregate and types', { types: ['users.v1.UserNameChanged'] }, 2],
  ])('with a filter by %s tells the places between, so that nothing can be missing unseen', async (_, more, wanted) => {
    const [ada, grace] = [await signUp(app), await signUp(app)];
    await renamed(ada, 2);
    await renamed(grace, 2);
    const end = await numbered(app);
    const filter = { aggregateId: ada.id, ...more };
    const stream = subscribe({ afterSequence: 0n, filter });
    const messages = await stream.through(end);
    expectNoGap(messages, 0n);
    const { events } = await client().listEvents({ filter }, { headers: strong });
    expect(places(messages)).toEqual(events.map(({ sequence }) => sequence));
    expect(events).toHaveLength(wanted);

    const live = stream.through(end + 3n);
    await renamed(grace, 2);
    await renamed(ada, 1);
    const told = await live;
    expectNoGap(told, end);
    expect(told.at(-1)).toMatchObject({ throughSequence: end + 3n, event: { aggregateId: ada.id } });
    await renamed(grace, 1);
    const after = await stream.through(end + 4n);
    expectNoGap(after, end + 3n);
    expect(after.at(-1)).toMatchObject({ throughSequence: end + 4n, caughtUp: true });
  });

  it('follows a replica', async () => {
    const user = await signUp(app);
    const end = await numbered(app);
    await eventually(async () => {
      const answer = await client().listEvents({ afterSequence: end - 1n });
      expect(answer.throughSequence).toBe(end);
    });
    const stream = subscribe({ afterSequence: end - 1n }, { headers: {} });
    expect(await stream.next()).toMatchObject({ event: { aggregateId: user.id } });
    expect(await stream.next()).toMatchObject({ caughtUp: true });
    await renamed(user, 5);
    expect(places(await stream.through(end + 5n))).toEqual(range(end, end + 5n));
    expect(await databasesFollowed()).toContain('replica-1');
  });

  it('shows as much as ListEvents does', async () => {
    const user = await signUp(app);
    const end = await numbered(app);
    for (const role of ['admin', 'auditor']) {
      const request = { afterSequence: end - 1n, includeJson: true };
      const { event } = await subscribe(request, { role }).next();
      const { events } = await client(role).listEvents(request, { headers: strong });
      expect(event).toEqual(events[0]);
      expect(event?.aggregateId).toBe(user.id);
      expect(JSON.stringify(event?.json).includes(user.email)).toBe(role === 'admin');
    }
  });

  it('needs events.read, types that exist, and a place that can be', async () => {
    expect(await refusalOf(subscribe({}, { role: 'operator' }).next())).toMatchObject({ code: 'PermissionDenied' });
    expect(await refusalOf(subscribe({ filter: { types: ['x'] } }).next())).toMatchObject({ reason: 'EVENT_TYPE_UNKNOWN' });
    expect(await refusalOf(subscribe({ afterSequence: -1n }).next())).toMatchObject({ fields: ['after_sequence'] });
  });
});

const registry = createRegistry(file_users_v1_events);
const DOORS: Readonly<Record<string, () => Transport>> = {
  gRPC: () => createGrpcTransport({ baseUrl: `http://127.0.0.1:${app.app.grpcPort}` }),
  'Connect JSON': () =>
    createConnectTransport({
      baseUrl: `http://127.0.0.1:${app.app.httpPort}`,
      httpVersion: '1.1',
      useBinaryFormat: false,
      jsonOptions: { registry },
    }),
  'gRPC-Web': () => createGrpcWebTransport({ baseUrl: `http://127.0.0.1:${app.app.httpPort}`, httpVersion: '1.1' }),
  'in process': () => inProcessTransport(app.app.bus),
};

describe.each(Object.entries(DOORS))('a subscriber, %s', (_, transport) => {
  it('that breaks off and goes on where it was, again and again, gets every event once while writers write', async () => {
    const users = await Promise.all(Array.from({ length: 5 }, () => signUp(app)));
    const admin = await signUp(app);
    await asAdmin(app).grantRole({ userId: admin.id, role: 'admin' });
    const headers = { authorization: `Bearer ${await logIn(app, admin)}` };
    const begin = await numbered(app);
    const writing = Promise.all(users.map((user) => renamed(user, 20)));
    const end = begin + 100n;

    const seen: bigint[] = [];
    let place = begin;
    while (place < end) {
      const leaving = new AbortController();
      const options = { headers, signal: leaving.signal };
      let left = 1 + (seen.length % 7);
      try {
        for await (const message of createClient(QueryService, transport()).subscribeEvents({ afterSequence: place }, options)) {
          expect(message.afterSequence).toBe(place);
          place = message.throughSequence;
          if (message.event) seen.push(message.event.sequence);
          left -= 1;
          if (left === 0) break;
        }
      } finally {
        leaving.abort();
      }
    }
    await writing;
    expect(seen).toEqual(range(begin, end));
  });
});

it('200 subscribers are served by one reader of the feed, each with all of it', async () => {
  const user = await signUp(app);
  const end = await numbered(app);
  const filters: (string | undefined)[] = [undefined, user.id];
  const streams = Array.from({ length: 200 }, (_, index) => {
    const aggregateId = filters[index % 2];
    return subscribe({ afterSequence: end, ...(aggregateId && { filter: { aggregateId } }) });
  });
  await Promise.all(streams.map((stream) => stream.next()));
  await renamed(user, 20);
  const all = await Promise.all(streams.map((stream) => stream.through(end + 20n)));
  for (const messages of all) {
    expect(places(messages)).toEqual(range(end, end + 20n));
    expectNoGap(messages, end);
  }
});

/** The databases that streams have been begun on, by the metrics. */
async function databasesFollowed(): Promise<string> {
  return await (await fetch(`http://127.0.0.1:${app.app.metricsPort}/metrics`)).text();
}
