import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService as OperationsService } from '#gen/operations/v1/command_service_pb.js';
import type { EmbeddedCluster } from '../../../src/embedded-postgres/embedded-cluster.ts';
import { startEmbeddedCluster } from '../../../src/embedded-postgres/start-embedded-cluster.ts';
import { ask, until } from '../../embedded-postgres/cluster-harness.ts';
import { createTestDatabase } from '../../support/database.ts';
import { refusalOf } from '../../support/errors.ts';
import { signUp } from '../../support/people.ts';
import { temporaryDataDir } from '../../support/temporary-data-dir.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';
import { freshnessOf } from './tokens-in-hand.ts';

const stack = new AsyncDisposableStack();
let cluster: EmbeddedCluster;
let one: ReturnType<typeof freshnessOf>;
let other: ReturnType<typeof freshnessOf>;
let app: TestApp;

beforeAll(async () => {
  const dataDir = stack.use(temporaryDataDir());
  cluster = await startEmbeddedCluster({ dataDir: dataDir.path, settings: { fsync: 'off', full_page_writes: 'off' } });
  stack.defer(() => cluster.stop());
  app = await startTestApp({ on: await createTestDatabase(cluster.connections), queryCacheBytes: 0 });
  stack.defer(() => app.stop());
  const beside = await startTestApp({ beside: app });
  stack.defer(() => beside.stop());
  one = freshnessOf(app);
  other = freshnessOf(beside);
  const users = await Promise.all(Array.from({ length: 10 }, () => signUp(app)));
  userIds = users.map(({ id }) => id);
  await until('the replica has the users', async () => {
    const answers = await Promise.all(userIds.map((id) => one.read(id)));
    return answers.every(({ servedBy }) => servedBy === 'replica-1');
  });
});
afterAll(async () => {
  await onReplica('select pg_wal_replay_resume()').catch(() => {});
  await stack.disposeAsync();
});

function onReplica(sql: string) {
  const [replica] = cluster.connections.replicas;
  if (!replica) throw new Error('the cluster has a replica');
  return ask(asSuperuser(replica), sql);
}

const asSuperuser = <C extends { readonly user: string }>(connection: C): C => ({
  ...connection,
  user: cluster.connections.superuser.user,
});

/** Ten users whom the replica has, so that it can answer for them with an old name. */
let userIds: string[];

/** Each write is followed at once by a read with its token, on the other instance; answers what was stale, and who served. */
async function writeAndRead(writes: number) {
  const stale: unknown[] = [];
  const served: string[] = [];
  const caller = async (id: string, number: number): Promise<void> => {
    for (let write = number; write < writes; write += userIds.length) {
      const [writer, reader] = write % 2 === 0 ? [one, other] : [other, one];
      const name = `Written ${write}`;
      const token = await writer.rename(id, name);
      const answer = await reader.read(id, token);
      served.push(answer.servedBy);
      if (answer.name !== name) stale.push({ write, token, answer });
      // What this answer saw, the next one sees too, wherever it is asked.
      if ((await writer.read(id, answer.token)).name !== name) stale.push({ write, token: answer.token });
    }
  };
  await Promise.all(userIds.map(caller));
  return { stale, served };
}

describe('a read with a token', () => {
  it('sees the write on the replica, over two instances', async () => {
    const { stale, served } = await writeAndRead(300);
    expect(stale).toEqual([]);
    expect(served).toContain('replica-1');
  });

  it('sees each of 1,000 writes while replay is paused, and fails never', async () => {
    await onReplica('select pg_wal_replay_pause()');
    const { stale, served } = await writeAndRead(1_000);
    await onReplica('select pg_wal_replay_resume()');
    expect(stale).toEqual([]);
    expect(served).toHaveLength(1_000);
    expect(new Set(served)).toEqual(new Set(['primary']));
  });

  it('sees each of 1,000 writes while the replica applies them late on purpose', async () => {
    await onReplica(`alter system set recovery_min_apply_delay = '700ms'`);
    await onReplica('select pg_reload_conf()');
    const { stale, served } = await writeAndRead(1_000);
    await onReplica('alter system reset recovery_min_apply_delay');
    await onReplica('select pg_reload_conf()');
    expect(stale).toEqual([]);
    expect(served).toHaveLength(1_000);
  });

  it('of a list, and of projections that follow the feed, sees what the token tells of', async () => {
    const before = await one.count(await one.rename(userIds[0] ?? '', 'Counted before'));
    await onReplica('select pg_wal_replay_pause()');
    const { id } = await signUp(app);
    const token = await one.rename(id, 'Counted');
    const [counted, listed] = [await other.count(token), await other.list(token)];
    await onReplica('select pg_wal_replay_resume()');
    expect(counted.activeUsers).toBe(before.activeUsers + 1n);
    expect(listed.users.some(({ name }) => name === 'Counted')).toBe(true);
  });

  it('waits for a projection, and says which one is behind when that takes too long', async () => {
    const { id } = await signUp(app);
    const operator = app.client(OperationsService, { roles: ['admin'] });
    await operator.pauseProjection({ projection: 'user_statistics' });
    let token = '';
    // A batch that was under way may still take the first one.
    await until('it is refused', async () => {
      token = await one.rename(id, `Not counted yet ${token.length}`);
      const { reason, metadata } = await refusalOf(one.count(token));
      return reason === 'PROJECTION_BEHIND' && metadata.projection === 'user_statistics';
    });
    const waiting = other.count(token);
    await operator.resumeProjection({ projection: 'user_statistics' });
    // It goes on while that query waits.
    expect((await waiting).activeUsers).toBeGreaterThan(0n);
  });

  it('that is no token of this service is refused, and one of another database by name', async () => {
    const { id } = await signUp(app);
    expect(await refusalOf(one.read(id, 'bm8gdG9rZW4'))).toMatchObject({ reason: 'CONSISTENCY_TOKEN_INVALID' });
    const token = Buffer.from((await one.read(id)).token, 'base64url');
    token.writeBigInt64BE(token.readBigInt64BE(1) + 1n, 1);
    expect(await refusalOf(one.read(id, token.toString('base64url')))).toMatchObject({ reason: 'CONSISTENCY_TOKEN_FOREIGN' });
  });
});

describe('how old an answer is at most', () => {
  const servedByReplica = () => until('the replica serves', async () => (await one.list()).servedBy === 'replica-1');

  it('is known of a replica that is current, and stays small while the primary is idle', async () => {
    const { id } = await signUp(app);
    await servedByReplica();
    await until('the replica is current', async () => {
      const { servedBy, stalenessMs = Number.POSITIVE_INFINITY } = await one.read(id);
      return servedBy === 'replica-1' && stalenessMs < 1_000;
    });
    expect((await one.read(id, undefined, { 'cqrs-consistency': 'strong' })).stalenessMs).toBe(0);
  });

  it('grows while replay is paused, so that who wants it fresher is answered by the primary', async () => {
    const { id } = await signUp(app);
    await servedByReplica();
    await onReplica('select pg_wal_replay_pause()');
    await one.rename(id, 'Unseen by the replica');
    let oldest = 0;
    await until('the replica is seconds old', async () => {
      const { servedBy, stalenessMs = 0 } = await one.list();
      // Never younger than it was, because nothing comes.
      if (servedBy === 'replica-1' && oldest > 1_000 && stalenessMs < oldest) throw new Error('it has become younger');
      oldest = Math.max(oldest, stalenessMs);
      return oldest > 2_500;
    });
    const within = await one.read(id, undefined, { 'cqrs-max-staleness': '2s' });
    await onReplica('select pg_wal_replay_resume()');
    expect(within).toMatchObject({ servedBy: 'primary', name: 'Unseen by the replica', stalenessMs: 0 });
  });
});
