import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { EmbeddedCluster } from '../../../src/embedded-postgres/embedded-cluster.ts';
import { startEmbeddedCluster } from '../../../src/embedded-postgres/start-embedded-cluster.ts';
import { ask, until } from '../../embedded-postgres/cluster-harness.ts';
import { createTestDatabase } from '../../support/database.ts';
import { refusalOf } from '../../support/errors.ts';
import { signUp } from '../../support/people.ts';
import { processesIn, signalAll } from '../../support/processes.ts';
import { type StallingProxy, startStallingProxy } from '../../support/stalling-proxy.ts';
import { temporaryDataDir } from '../../support/temporary-data-dir.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';
import { freshnessOf } from './tokens-in-hand.ts';

const stack = new AsyncDisposableStack();
let cluster: EmbeddedCluster;
let proxies: StallingProxy[];
let app: TestApp;
let calls: ReturnType<typeof freshnessOf>;
beforeAll(async () => {
  const dataDir = stack.use(temporaryDataDir());
  cluster = await startEmbeddedCluster({ dataDir: dataDir.path, settings: { fsync: 'off', full_page_writes: 'off' } });
  stack.defer(() => cluster.stop());
  const database = await createTestDatabase(cluster.connections);
  const { owner, writer, reader, replicas } = database.connections;
  const [replica] = replicas;
  if (!replica) throw new Error('the cluster has a replica');
  const toPrimary = stack.use(await startStallingProxy(writer));
  const toReplica = stack.use(await startStallingProxy(replica));
  proxies = [toPrimary, toReplica];
  const connections = {
    owner,
    writer: toPrimary.through(writer),
    reader: toPrimary.through(reader),
    replicas: [toReplica.through(replica)],
  };
  app = await startTestApp({ on: { ...database, connections, drop: async () => {} }, queryCacheBytes: 0 });
  stack.defer(() => app.stop());
  calls = freshnessOf(app);
});
afterAll(() => stack.disposeAsync());

const onReplica = (sql: string) => {
  const [replica] = cluster.connections.replicas;
  if (!replica) throw new Error('the cluster has a replica');
  return ask({ ...replica, user: cluster.connections.superuser.user }, sql);
};

describe('after a failover to the replica', () => {
  it('no read claims what was lost, and what was not lost is seen with the tokens of before', async () => {
    const { id } = await signUp(app);
    const kept = await calls.rename(id, 'Kept');
    await until('the replica has it', async () => {
      const { servedBy, name } = await calls.read(id, kept);
      return servedBy === 'replica-1' && name === 'Kept';
    });
    // From here on nothing reaches the replica.
    const [sender] = await ask<{ pid: number }>(cluster.connections.superuser, 'select pid from pg_stat_replication');
    signalAll([sender?.pid ?? 0], 'SIGSTOP');
    const lost: string[] = [];
    for (let write = 0; write < 20; write += 1) {
      const token = await calls.rename(id, `Lost ${write}`);
      lost.push(token);
      // The primary answers meanwhile.
      expect((await calls.read(id, token)).name).toBe(`Lost ${write}`);
    }

    signalAll(processesIn(cluster.primary.folder), 'SIGKILL');
    await onReplica('select pg_promote()');
    const [promoted] = cluster.connections.replicas;
    if (!promoted) throw new Error('the cluster has a replica');
    const [toPrimary, toReplica] = proxies;
    toPrimary?.moveTo(promoted);
    // The name of the replica leads nowhere.
    toReplica?.moveTo({ ...promoted, port: 1 });
    for (const proxy of proxies) proxy.disconnect();

    // At once, while the instance still knows what the old primary had: whatever is answered, it is not what was lost, nor without it.
    const early = await Promise.allSettled(lost.map((token) => calls.read(id, token)));
    expect(early.filter(({ status }) => status === 'fulfilled')).toEqual([]);
    await until('the new primary serves', async () => (await calls.read(id)).servedBy === 'primary');
    for (const token of lost) expect(await refusalOf(calls.read(id, token))).toMatchObject({ reason: 'CONSISTENCY_STATE_LOST' });
    expect(await calls.read(id, kept)).toMatchObject({ name: 'Kept', servedBy: 'primary' });

    // And it goes on from there.
    await until('the timeline is recorded', async () => {
      const [row] = await ask<{ count: string }>(
        { ...promoted, user: cluster.connections.superuser.user, database: app.database.connections.writer.database ?? '' },
        'select count(*) from cqrs.timeline where began_at is not null',
      );
      return row?.count === '1';
    });
    const next = await calls.rename(id, 'Next');
    expect(await calls.read(id, next)).toMatchObject({ name: 'Next' });
    expect(await calls.read(id, kept)).toMatchObject({ name: 'Next' });
    for (const token of lost) expect(await refusalOf(calls.read(id, token))).toMatchObject({ reason: 'CONSISTENCY_STATE_LOST' });
  });
});
