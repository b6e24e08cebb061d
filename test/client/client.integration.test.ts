import { Code, ConnectError, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { errorInfo, idempotencyKeys, retries, updateOptimistically } from '../../src/client/index.ts';
import type { Connection } from '../../src/kernel/database/connection.ts';
import { logIn, signUp, somebody } from '../support/people.ts';
import { startStallingProxy } from '../support/stalling-proxy.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

const random = (): number => 0;

/** Loses the first answers of each rpc: the service has done what it was asked for, and nobody knows. */
function answersLost(count: number): Interceptor {
  const lost = new Map<string, number>();
  return (next) => async (request) => {
    const answer = await next(request);
    const before = lost.get(request.method.name) ?? 0;
    if (before >= count) return answer;
    lost.set(request.method.name, before + 1);
    throw new ConnectError('socket hang up', Code.Aborted);
  };
}

const authorized =
  (token: string): Interceptor =>
  (next) =>
  (request) => {
    request.header.set('authorization', `Bearer ${token}`);
    return next(request);
  };

type MakeTransport = (interceptors: Interceptor[]) => Transport;

describe.each<[string, MakeTransport]>([
  ['gRPC', (interceptors) => createGrpcTransport({ baseUrl: `http://127.0.0.1:${app.app.grpcPort}`, interceptors })],
  [
    'Connect',
    (interceptors) =>
      createConnectTransport({ baseUrl: `http://127.0.0.1:${app.app.httpPort}`, httpVersion: '1.1', interceptors }),
  ],
])('a client over %s whose answers get lost', (_, makeTransport) => {
  it('signs up once, and changes a name once', async () => {
    const ada = somebody();
    const interceptors = [idempotencyKeys(), retries({ random }), answersLost(2)];
    const { user } = await createClient(CommandService, makeTransport(interceptors)).createUser(ada);
    expect(user).toMatchObject({ email: ada.email, version: 1n });

    const transport = makeTransport([authorized(await logIn(app, ada)), ...interceptors]);
    const renamed = await createClient(CommandService, transport).changeName({ userId: user?.id ?? '', name: 'Ada' });
    expect(renamed.user).toMatchObject({ name: 'Ada', version: 2n });
    const strong = { headers: { 'cqrs-consistency': 'strong' } };
    const read = await createClient(QueryService, transport).getUser({ userId: user?.id ?? '' }, strong);
    expect(read.user).toMatchObject({ name: 'Ada', version: 2n });
  });

  it('is told of a sign-up that it would do twice without a key', async () => {
    const transport = makeTransport([retries({ random }), answersLost(1)]);
    const error = await createClient(CommandService, transport).createUser(somebody()).catch(ConnectError.from);
    expect((error as ConnectError).code).toBe(Code.Aborted);
  });
});

describe.each<[string, 'grpcPort' | 'httpPort', (port: number, interceptors: Interceptor[]) => Transport]>([
  ['gRPC', 'grpcPort', (port, interceptors) => createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}`, interceptors })],
  [
    'Connect over HTTP/1.1',
    'httpPort',
    (port, interceptors) => createConnectTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion: '1.1', interceptors }),
  ],
  [
    'Connect over HTTP/2',
    'httpPort',
    (port, interceptors) => createConnectTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion: '2', interceptors }),
  ],
])('clients over %s whose connections are cut again and again', (_, door, makeTransport) => {
  it('are all answered, and each command is done once', async () => {
    await using proxy = await startStallingProxy({ host: '127.0.0.1', port: app.app[door] } as Connection);
    const { port = 0 } = proxy.through({} as Connection);
    const users = await Promise.all(Array.from({ length: 4 }, () => signUp(app)));
    let answers = 0;
    let failures = 0;
    const counted: Interceptor = (next) => (request) =>
      next(request).catch((error) => {
        failures += 1;
        throw error;
      });
    await Promise.all(
      users.map(async (user) => {
        const interceptors = [idempotencyKeys(), retries({ tries: 100 }), counted, authorized(await logIn(app, user))];
        const commands = createClient(CommandService, makeTransport(port, interceptors));
        const userId = user.id;
        for (let version = 2n; version <= 31n; version += 1n) {
          const answer = await commands.changeName({ userId, name: `Name ${version}` });
          expect(answer.user).toMatchObject({ name: `Name ${version}`, version });
          answers += 1;
          if (answers % 20 === 0) proxy.disconnect();
        }
      }),
    );
    expect(failures).toBeGreaterThan(0);
  });
});

describe('updateOptimistically', () => {
  it('loses no change of many who change the same user at once', async () => {
    const { id: userId } = await signUp(app, { name: 'Marks:' });
    const commands = app.client(CommandService, { roles: ['admin'] });
    const directory = app.client(QueryService, { roles: ['admin'] });
    const marks = [...'abcdefgh'];
    await Promise.all(
      marks.map((mark) =>
        updateOptimistically({
          tries: 100,
          read: (headers) => directory.getUser({ userId }, { headers }),
          change: ({ user }) =>
            commands.changeName({ userId, name: `${user?.name}${mark}`, expectedVersion: user?.version ?? 0n }),
        }),
      ),
    );
    const { user } = await directory.getUser({ userId }, { headers: { 'cqrs-consistency': 'strong' } });
    expect([...(user?.name ?? '').slice('Marks:'.length)].sort()).toEqual(marks);
    expect(user?.version).toBe(9n);
  });

  it('throws what the service refuses for another reason', async () => {
    const directory = app.client(QueryService, { roles: ['admin'] });
    const userId = '018f3a5e-0000-7000-8000-000000000000';
    const error = await updateOptimistically({
      read: (headers) => directory.getUser({ userId }, { headers }),
      change: () => Promise.reject(new Error('nothing to change')),
    }).catch((refused) => refused);
    expect(errorInfo(error)?.reason).toBe('USER_NOT_FOUND');
  });
});
