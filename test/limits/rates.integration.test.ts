import { createClient } from '@connectrpc/connect';
import { afterEach, describe, expect, it } from '@jest/globals';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { ConfigError } from '../../src/kernel/config/config-error.ts';
import { createTestDatabase } from '../support/database.ts';
import { refusalOf } from '../support/errors.ts';
import { grpcJsTransport } from '../support/grpc-js-transport.ts';
import { signUp, somebody } from '../support/people.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

const rate = (rateClass: string, calls: number) => new Map([[rateClass, { calls, seconds: 60 }]]);

const running: { stop: () => unknown }[] = [];
async function start(options: Parameters<typeof startTestApp>[0]): Promise<TestApp> {
  const app = await startTestApp(options);
  running.push(app);
  return app;
}
afterEach(async () => {
  for (const { stop } of running.splice(0).reverse()) await stop();
});

/** Renames as this caller and answers the reason of the refusal, if it is refused. */
async function rename(app: TestApp, userId: string, caller: string): Promise<string | undefined> {
  const renamed = app.client(CommandService, { roles: ['admin'], id: caller }).changeName({ userId, name: 'Renamed' });
  return renamed.then(
    () => undefined,
    async (error) => (await refusalOf(Promise.reject(error))).reason,
  );
}

describe('rates', () => {
  it('bound the calls of each principal, with an answer that says which and when to come back', async () => {
    const app = await start({ limits: { rates: rate('write', 2) } });
    const { id } = await signUp(app);
    expect([await rename(app, id, 'ada'), await rename(app, id, 'ada'), await rename(app, id, 'ada')]).toEqual([
      undefined,
      undefined,
      'RATE_LIMITED',
    ]);
    expect(await rename(app, id, 'grace')).toBeUndefined();
    const refused = app.client(CommandService, { roles: ['admin'], id: 'ada' }).changeName({ userId: id, name: 'x' });
    expect(await refusalOf(refused)).toMatchObject({ code: 'ResourceExhausted', metadata: { class: 'write' } });
  });

  it('bound the calls of an address where nobody has signed in, over however many connections', async () => {
    const app = await start({ limits: { rates: rate('sign-up', 2) } });
    const signUpOverGrpc = async (): Promise<string | undefined> => {
      // Channels to one address would share a connection.
      const own = { 'grpc.use_local_subchannel_pool': 1 };
      const transport = grpcJsTransport(`127.0.0.1:${app.app.grpcPort}`, own);
      running.push({ stop: () => transport.close() });
      const answer = createClient(CommandService, transport).createUser(somebody());
      return answer.then(
        () => undefined,
        async (error) => (await refusalOf(Promise.reject(error))).reason,
      );
    };
    expect([await signUpOverGrpc(), await signUpOverGrpc(), await signUpOverGrpc()]).toEqual([
      undefined,
      undefined,
      'RATE_LIMITED',
    ]);
    expect((await signUp(app)).id).toBeTruthy();
  });

  it('bound the calls of each address behind a trusted proxy, whatever a caller claims, and are of that address on the record', async () => {
    const app = await start({
      limits: { rates: rate('sign-up', 1) },
      proxies: { networks: ['127.0.0.1'], header: 'x-forwarded-for', proxyProtocol: false },
    });
    const transport = grpcJsTransport(`127.0.0.1:${app.app.grpcPort}`);
    running.push({ stop: () => transport.close() });
    const signUpFrom = async (address: string): Promise<string | undefined> => {
      const headers = { 'x-forwarded-for': address };
      const answer = createClient(CommandService, transport).createUser(somebody(), { headers });
      return answer.then(
        () => undefined,
        async (error) => (await refusalOf(Promise.reject(error))).reason,
      );
    };
    expect([
      await signUpFrom('203.0.113.7'),
      await signUpFrom('203.0.113.8'),
      await signUpFrom('203.0.113.7'),
      await signUpFrom('1.2.3.4, 203.0.113.8'),
    ]).toEqual([undefined, undefined, 'RATE_LIMITED', 'RATE_LIMITED']);
    const peers = app.database.query<{ peer: string }>(
      "select peer from cqrs.command_log where outcome = 'succeeded' order by peer",
    );
    expect(await peers).toEqual([{ peer: '203.0.113.7' }, { peer: '203.0.113.8' }]);
    expect(app.log()).toContain('"peer":"203.0.113.8"');
  });

  it('are shared by all instances when PostgreSQL counts, and the table names nobody', async () => {
    const app = await start({ limits: { rates: rate('write', 10), rateStore: 'postgres' } });
    const beside = await start({ beside: app });
    const { id } = await signUp(app);
    const reasons = await Promise.all(
      Array.from({ length: 30 }, (_, index) => rename(index % 2 ? app : beside, id, 'ada@example.org')),
    );
    expect(reasons.filter((reason) => reason === 'RATE_LIMITED')).toHaveLength(20);
    const rows = await app.database.query<{ key: string; points: number }>('select key, points from cqrs.rate_limit');
    expect(rows).toEqual([{ key: expect.stringMatching(/^write:[\w-]{43}$/), points: 30 }]);
  });

  it('are counted by each instance for itself while the table cannot be reached', async () => {
    const app = await start({ limits: { rates: rate('write', 2), rateStore: 'postgres' } });
    const { id } = await signUp(app);
    await app.database.query('alter table cqrs.rate_limit rename to away');
    expect([await rename(app, id, 'ada'), await rename(app, id, 'ada'), await rename(app, id, 'ada')]).toEqual([
      undefined,
      undefined,
      'RATE_LIMITED',
    ]);
  });

  it('for a class that no rpc has stop the start', async () => {
    const database = await createTestDatabase();
    running.push({ stop: database.drop });
    const failed = startTestApp({ on: database, limits: { rates: rate('sing-up', 2) } });
    await expect(failed).rejects.toThrow(ConfigError);
    await expect(failed).rejects.toThrow('RATE_LIMITS names sing-up');
  });
});
