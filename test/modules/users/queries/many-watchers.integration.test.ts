import { randomInt } from 'node:crypto';
import { createClient, type Transport } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { type User, UserStatus } from '#gen/users/v1/user_pb.js';
import { NamedStatementClient } from '../../../../src/kernel/database/named-statement-client.ts';
import { eventually } from '../../../support/eventually.ts';
import { grpcJsTransport } from '../../../support/grpc-js-transport.ts';
import { asAdmin, logIn, signUp } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';
import { listed, WatchingClient } from './watching-client.ts';

const WATCHERS = 100;
const WRITERS = 4;
const WRITES = 40;
/** As many as LIMIT_STREAMS is by default. */
const MANY = 1_000;
const PER_CONNECTION = 50;

let app: TestApp;
let beside: TestApp;
let headers: Record<string, string>;
const open = new Set<Transport & { close(): void }>();
beforeAll(async () => {
  app = await startTestApp();
  beside = await startTestApp({ beside: app });
  const admin = await signUp(app);
  await asAdmin(app).grantRole({ userId: admin.id, role: 'admin' });
  headers = { authorization: `Bearer ${await logIn(app, admin)}` };
});
afterAll(async () => {
  for (const transport of open) transport.close();
  await beside.stop();
  await app.stop();
});

/** A client with a connection of its own. */
function connection(instance: TestApp) {
  const transport = grpcJsTransport(`127.0.0.1:${instance.app.grpcPort}`, { 'grpc.use_local_subchannel_pool': 1 });
  open.add(transport);
  function close(): void {
    open.delete(transport);
    transport.close();
  }
  return { queries: createClient(QueryService, transport), close };
}

/** Changes users in every way that there is, one command after the other. */
async function write(users: User[]): Promise<void> {
  const gone = new Set<User>();
  for (let count = 1; count <= WRITES; count += 1) {
    const user = users[randomInt(users.length)] as User;
    const commands = asAdmin(count % 2 === 0 ? app : beside);
    const userId = user.id;
    if (gone.has(user)) users.push(await signUp(app, { name: `Tea ${count}` }));
    else if (count % 20 === 0) {
      gone.add(user);
      await commands.deleteUser({ userId });
    } else if (count % 5 === 0) await commands.suspendUser({ userId, reason: 'a test' });
    else if (count % 5 === 1) await commands.reactivateUser({ userId, reason: 'a test' });
    else await commands.changeName({ userId, name: `${count % 3 === 0 ? 'Coffee' : 'Tea'} ${count}` });
  }
}

describe('100 watchers whose streams are cut at random while writers write', () => {
  it('end with what ListUsers returns, wherever they went on, and see no user become older', async () => {
    const crews = await Promise.all(
      Array.from({ length: WRITERS }, () => Promise.all(Array.from({ length: 8 }, () => signUp(app, { name: 'Tea' })))),
    );
    const named = crews.flat().map(({ id }) => id);
    const kinds = [
      { filter: { search: 'tea' } },
      { filter: { search: 'coffee' } },
      { filter: { status: UserStatus.SUSPENDED } },
      { filter: { status: UserStatus.DELETED } },
      { filter: { status: UserStatus.UNSPECIFIED } },
      { filter: {}, userIds: named.slice(0, 10) },
    ];
    let isOver = false;
    let cuts = 0;
    const watchers = Array.from({ length: WATCHERS }, (_, index) => {
      const { filter, userIds = [] } = kinds[index % kinds.length] as (typeof kinds)[number];
      const client = new WatchingClient({ ...filter, userIds });
      let connected = connection(app);
      const connect = (): void => {
        connected = connection(randomInt(2) === 0 ? app : beside);
        // With a token of the one, at the other; on the primary, or on the replica.
        const where = { ...headers, ...(randomInt(2) === 0 && { 'cqrs-consistency': 'strong' }) };
        client.connect(connected.queries, { headers: where });
      };
      const live = async (): Promise<void> => {
        connect();
        while (!isOver) {
          await new Promise((resolve) => setTimeout(resolve, randomInt(500)));
          await client.cut();
          connected.close();
          cuts += 1;
          connect();
        }
      };
      return { client, filter, userIds, live: live() };
    });
    await Promise.all(crews.map(write));
    isOver = true;
    await Promise.all(watchers.map(({ live }) => live));
    expect(cuts).toBeGreaterThan(WATCHERS);

    const admin = app.client(QueryService, { roles: ['admin'] });
    for (const { client, filter, userIds } of watchers) {
      const all = await listed(admin, filter);
      const want = new Map([...all].filter(([id]) => userIds.length === 0 || userIds.includes(id)));
      await eventually(() => expect(client.users).toEqual(want));
      expect(client.wentBack).toEqual([]);
      await client.cut();
    }
  });
});

describe('as many watchers as an instance takes', () => {
  it('cost one reader of the feed, and each is told what concerns it', async () => {
    const users = await Promise.all(Array.from({ length: 10 }, () => signUp(app)));
    const connections = Array.from({ length: MANY / PER_CONNECTION }, () => connection(app).queries);
    const strong = { ...headers, 'cqrs-consistency': 'strong' };
    const watchers = Array.from({ length: MANY }, (_, index) => {
      const user = users[index % users.length] as User;
      const client = new WatchingClient(index % 2 === 0 ? { userIds: [user.id] } : { search: user.email });
      client.connect(connections[index % connections.length] as (typeof connections)[number], { headers: strong });
      return { client, user };
    });
    await eventually(() => expect(watchers.every(({ client }) => client.timesCaughtUp === 1)).toBe(true));

    const statements: string[] = [];
    NamedStatementClient.listener = (text) => {
      if (text.includes('cqrs.feed') && text.includes('read.user_directory'.replace('.', '"."'))) statements.push(text);
    };
    const rounds = 5;
    for (let round = 1; round <= rounds; round += 1) {
      await Promise.all(users.map(({ id }) => asAdmin(app).changeName({ userId: id, name: `Round ${round}` })));
    }
    await eventually(() => {
      for (const { client, user } of watchers) expect(client.users.get(user.id)?.name).toBe(`Round ${rounds}`);
    });
    NamedStatementClient.listener = undefined;
    // Had each watcher asked once, there would be a thousand; and each looks four times a second when nobody tells it anything.
    expect(statements.length).toBeGreaterThan(0);
    expect(statements.length).toBeLessThan(200);
    // Nobody was told of others.
    expect(watchers.every(({ client }) => client.users.size === 1)).toBe(true);
    await Promise.all(watchers.map(({ client }) => client.cut()));
  });
});
