import { createClient, type Interceptor } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import type { User } from '#gen/users/v1/user_pb.js';
import { idempotencyKeys, readYourWrites, retries, type SeenState } from '../../src/client/index.ts';
import type { EmbeddedCluster } from '../../src/embedded-postgres/embedded-cluster.ts';
import { startEmbeddedCluster } from '../../src/embedded-postgres/start-embedded-cluster.ts';
import { ask } from '../embedded-postgres/cluster-harness.ts';
import { createTestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { logIn, signUp } from '../support/people.ts';
import { temporaryDataDir } from '../support/temporary-data-dir.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

const stack = new AsyncDisposableStack();
let cluster: EmbeddedCluster;
let app: TestApp;
let beside: TestApp;

beforeAll(async () => {
  const dataDir = stack.use(temporaryDataDir());
  cluster = await startEmbeddedCluster({ dataDir: dataDir.path, settings: { fsync: 'off', full_page_writes: 'off' } });
  stack.defer(() => cluster.stop());
  app = await startTestApp({ on: await createTestDatabase(cluster.connections), queryCacheBytes: 0 });
  stack.defer(() => app.stop());
  beside = await startTestApp({ beside: app });
  stack.defer(() => beside.stop());
});
afterAll(async () => {
  await replay('resume').catch(() => {});
  await stack.disposeAsync();
});

async function replay(what: 'pause' | 'resume'): Promise<void> {
  const [replica] = cluster.connections.replicas;
  if (!replica) throw new Error('the cluster has a replica');
  await ask({ ...replica, user: cluster.connections.superuser.user }, `select pg_wal_replay_${what}()`);
}

async function whilePaused<T>(work: () => Promise<T>): Promise<T> {
  await replay('pause');
  try {
    return await work();
  } finally {
    await replay('resume');
  }
}

/** A user who calls both instances in turn over gRPC, by a client that has seen `seen`. */
async function caller(seen: SeenState = {}, more: Interceptor[] = []) {
  const user = await signUp(app);
  const authorization = `Bearer ${await logIn(app, user)}`;
  const authorized: Interceptor = (next) => (request) => {
    request.header.set('authorization', authorization);
    return next(request);
  };
  const interceptors = [readYourWrites(seen), idempotencyKeys(), retries(), authorized, ...more];
  const [one, other] = [app, beside].map(({ app: { grpcPort } }) => {
    const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${grpcPort}`, interceptors });
    return { commands: createClient(CommandService, transport), queries: createClient(QueryService, transport) };
  });
  if (!one || !other) throw new Error('there are two instances');
  return { user, one, other };
}

const nameOf = ({ user }: { user?: User | undefined }): string | undefined => user?.name;

describe('a client that carries its tokens', () => {
  let me: Awaited<ReturnType<typeof caller>>;
  let userId: string;
  let seen: SeenState;
  beforeEach(async () => {
    seen = {};
    me = await caller(seen);
    userId = me.user.id;
    await eventually(async () => {
      let servedBy: string | null = null;
      await me.one.queries.getUser({ userId }, { onHeader: (header) => (servedBy = header.get('cqrs-served-by')) });
      expect(servedBy).toBe('replica-1');
    });
  });

  it('reads on one instance what it wrote on the other, while the replica has nothing of it', async () => {
    await whilePaused(async () => {
      for (let time = 0; time < 50; time += 1) {
        await me.one.commands.changeName({ userId, name: `Name ${time}` });
        expect(nameOf(await me.other.queries.getUser({ userId }))).toBe(`Name ${time}`);
      }
    });
  });

  it('reads what all commands did that ran side by side', async () => {
    await whilePaused(async () => {
      const names = Array.from({ length: 8 }, (_, index) => `Name ${index}`);
      await Promise.all(names.map((name) => me.one.commands.changeName({ userId, name })));
      expect(seen.token?.split(', ')).toHaveLength(8);
      // What was done is seen at once, and told of by one token as soon as its events have their numbers.
      await eventually(async () => {
        const { user } = await me.other.queries.getUser({ userId });
        expect(user?.version).toBe(9n);
        expect(seen.token).not.toContain(',');
      });
    });
  });

  it('reads what a command did whose answer came before that of an earlier one', async () => {
    const late = Promise.withResolvers<void>();
    const slow = await caller({}, [
      (next) => async (request) => {
        const answer = await next(request);
        if (request.method.name === 'ChangeName' && (request.message as { name?: string }).name === 'First') await late.promise;
        return answer;
      },
    ]);
    const id = slow.user.id;
    const first = slow.one.commands.changeName({ userId: id, name: 'First' });
    const admin = app.client(QueryService, { roles: ['admin'] });
    await eventually(async () => {
      let servedBy: string | null = null;
      const read = await admin.getUser({ userId: id }, { onHeader: (header) => (servedBy = header.get('cqrs-served-by')) });
      expect([nameOf(read), servedBy]).toEqual(['First', 'replica-1']);
    });
    await whilePaused(async () => {
      await slow.one.commands.changeName({ userId: id, name: 'Second' });
      late.resolve();
      await first;
      expect(nameOf(await slow.one.queries.getUser({ userId: id }))).toBe('Second');
    });
  });

  it('goes on with what another client has seen', async () => {
    const authorization = `Bearer ${await logIn(app, me.user)}`;
    await whilePaused(async () => {
      await me.one.commands.changeName({ userId, name: 'Handed on' });
      const transport = createGrpcTransport({
        baseUrl: `http://127.0.0.1:${beside.app.grpcPort}`,
        interceptors: [readYourWrites(JSON.parse(JSON.stringify(seen)))],
      });
      const read = await createClient(QueryService, transport).getUser({ userId }, { headers: { authorization } });
      expect(nameOf(read)).toBe('Handed on');
    });
  });

  it('forgets a token that the service refuses, and reads all the same', async () => {
    seen.token = 'bm8gdG9rZW4';
    expect((await me.one.queries.getUser({ userId })).user?.id).toBe(userId);
    expect(seen.token).not.toBe('bm8gdG9rZW4');
    expect(seen.token).toBeDefined();
  });
});
