import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { createPool } from '../../../src/kernel/database/pool.ts';
import { until } from '../../embedded-postgres/cluster-harness.ts';
import { clusterForTests } from '../../support/cluster.ts';
import { createTestDatabase } from '../../support/database.ts';
import { refusalOf } from '../../support/errors.ts';
import { asAdmin, signUp } from '../../support/people.ts';
import { type StallingProxy, startStallingProxy } from '../../support/stalling-proxy.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';

const stack = new AsyncDisposableStack();
let proxy: StallingProxy;
let app: TestApp;
let userId: string;
beforeAll(async () => {
  const database = await createTestDatabase();
  const { owner, writer, reader } = database.connections;
  proxy = stack.use(await startStallingProxy(writer));
  const connections = { owner, writer: proxy.through(writer), reader: proxy.through(reader), replicas: [] };
  app = await startTestApp({ on: { ...database, connections }, queryCacheBytes: 0 });
  stack.defer(() => app.stop());
  userId = (await signUp(app)).id;
});
afterAll(() => stack.disposeAsync());

const rename = () => asAdmin(app).changeName({ userId, name: 'Renamed' });
const read = () => app.client(QueryService, { roles: ['auditor'] }).getUser({ userId });
const sessions = () =>
  app.database.query<{ pid: number }>(
    `select pid from pg_stat_activity where datname = current_database() and application_name like 'bicameral %'`,
  );

describe('connections', () => {
  it('that ended while they were idle cost no query, and the primary is not called away', async () => {
    for (let round = 0; round < 20; round += 1) {
      await Promise.all(Array.from({ length: 8 }, read));
      await app.database.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name in ('bicameral look-ups primary', 'bicameral queries primary')`,
      );
      const answers = await Promise.allSettled([...Array.from({ length: 8 }, read)]);
      expect(answers.filter(({ status }) => status === 'rejected')).toEqual([]);
    }
    expect(app.log()).not.toContain('database is unavailable');
  });

  it('are replaced when they turn out to be with a server that has become a standby', async () => {
    const [standby] = clusterForTests().replicas;
    if (!standby) throw new Error('the tests have a replica');
    await rename();
    proxy.moveTo(standby);
    proxy.disconnect();
    await until('commands fail', async () => (await refusalOf(rename())).reason === 'DATABASE_UNAVAILABLE');
    await until('the standby is known for one', () => app.log().includes('database is unavailable'));
    proxy.moveTo(clusterForTests().writer);
    // Nothing is disconnected: connections find the way back by themselves.
    await until('commands are done', async () => Boolean(await rename()));
    await until('queries are answered', async () => Boolean(await read()));
    await until('the primary is up', async () => {
      const response = await fetch(`http://127.0.0.1:${app.app.httpPort}/readyz`);
      return response.status === 200;
    });
  });

  it('are replaced when a replica turns out to be with the server that was promoted', async () => {
    const [standby] = clusterForTests().replicas;
    if (!standby) throw new Error('the tests have a replica');
    await using replicaProxy = await startStallingProxy(standby);
    const database = await createTestDatabase();
    const replicas = [replicaProxy.through(database.connections.reader)];
    const replicated = await startTestApp({
      on: { ...database, connections: { ...database.connections, replicas } },
      queryCacheBytes: 0,
    });
    await using _ = { [Symbol.asyncDispose]: () => replicated.stop() };
    const { id } = await signUp(replicated);
    const servedBy = async (): Promise<string | null> => {
      let name: string | null = null;
      const onHeader = (header: Headers): void => {
        name = header.get('cqrs-served-by');
      };
      await replicated.client(QueryService, { roles: ['auditor'] }).getUser({ userId: id }, { onHeader });
      return name;
    };
    await until('the replica serves', async () => (await servedBy()) === 'replica-1');
    replicaProxy.moveTo(clusterForTests().writer);
    replicaProxy.disconnect();
    await until('the primary serves', async () => (await servedBy()) === 'primary');
    replicaProxy.moveTo(standby);
    // Nothing is disconnected.
    await until('the replica serves again', async () => (await servedBy()) === 'replica-1');
  });

  it('are replaced when they have lived long enough, and cost no call', async () => {
    const pool = createPool(app.database.connections.writer, { name: 'lifetime', max: 2, readOnly: false, lifetimeMs: 100 });
    const pids = new Set<number>();
    await until('five connections came one after the other', async () => {
      const { rows } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid');
      pids.add(rows[0]?.pid ?? 0);
      expect(pool.totalCount).toBeLessThanOrEqual(2);
      return pids.size >= 5;
    });
    await pool.close();
    expect((await sessions()).length).toBeGreaterThan(0);
  });
});
