import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { Connection } from '../../../../src/kernel/database/connection.ts';
import { readEndedSessions } from '../../../../src/modules/users/sessions/ended-sessions.ts';
import { startEndedSessionWatch } from '../../../../src/modules/users/sessions/session-watch.ts';
import { ask, startForTest, until } from '../../../embedded-postgres/cluster-harness.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';
import { temporaryDataDir } from '../../../support/temporary-data-dir.ts';

/** Ends a user's sessions as a command does, and returns the user. */
const END = `insert into read.ended_session (user_id, epoch, ended_at, transaction_id)
  values (gen_random_uuid(), 2, now(), pg_current_xact_id()) returning user_id as id`;

function pool(connection: Connection): pg.Pool {
  const made = new pg.Pool({ ...connection, max: 1 });
  made.on('error', () => {});
  return made;
}

async function connected(connection: Connection): Promise<pg.Client> {
  const client = new pg.Client(connection);
  client.on('error', () => {});
  await client.connect();
  return client;
}

describe('reading ended sessions', () => {
  let database: TestDatabase;
  let primary: pg.Pool;
  beforeAll(async () => {
    database = await createTestDatabase();
    primary = pool(database.connections.reader);
  });
  afterAll(async () => {
    await primary.end();
    await database.drop();
  });

  const BELOW_MARK = `select pg_snapshot_xmin(pg_current_snapshot()) > max(transaction_id) as below from read.ended_session`;

  /** Ends one, and waits for what other tests have under way with a lower id: it would be read again. */
  const end = async (): Promise<string> => {
    const [row] = await database.query<{ id: string }>(END);
    await eventually(async () => expect(await database.query(BELOW_MARK)).toEqual([{ below: true }]));
    return row?.id ?? '';
  };

  it('gives all at first, then what came since the mark, closed sessions too', async () => {
    const read = readEndedSessions(primary);
    const first = await end();
    const before = await read(undefined);
    expect(before.ended).toContainEqual({ userId: first, epoch: 2, keptSession: null });
    const second = await end();
    const [userId, session] = [randomUUID(), randomUUID()];
    await database.query('insert into read.closed_session values ($1, $2, now(), pg_current_xact_id())', [session, userId]);
    const since = await read(before.mark);
    const users = since.ended.map((row) => row.userId);
    expect(users).toContain(second);
    expect(users).not.toContain(first);
    expect(since.closed).toEqual([{ userId, session }]);
  });

  it('misses nothing of a transaction that was open during the read before', async () => {
    const read = readEndedSessions(primary);
    const open = new pg.Client(database.connections.owner);
    await open.connect();
    await open.query('begin');
    const { rows } = await open.query<{ id: string }>(END);
    const { ended, mark } = await read(undefined);
    expect(ended.map(({ userId }) => userId)).not.toContain(rows[0]?.id);
    await open.query('commit');
    await open.end();
    expect((await read(mark)).ended.map(({ userId }) => userId)).toContain(rows[0]?.id);
  });

  it.each([
    ['the ids of transactions went back', (history: string, xmin: bigint) => `${history} ${xmin + 1_000_000n}`],
    ['the timeline is another', (history: string, xmin: bigint) => `${history.slice(0, -8)}FFFFFFFF ${xmin}`],
    ['the server is another', (history: string, xmin: bigint) => `1${history} ${xmin}`],
  ])('gives all again when %s', async (_, marked) => {
    const read = readEndedSessions(primary);
    const early = await end();
    const [history = '', xmin = ''] = (await read(undefined)).mark.split(' ');
    const { ended, mark } = await read(marked(history, BigInt(xmin)));
    expect(ended.map(({ userId }) => userId)).toContain(early);
    expect(mark.split(' ')[0]).toBe(history);
    expect((await read(mark)).ended.map(({ userId }) => userId)).not.toContain(early);
  });

  it('gives what came with a dump once, though it bears ids that are still to come', async () => {
    const read = readEndedSessions(primary);
    const restored = await end();
    const { mark } = await read(undefined);
    const fresh = await end();
    await database.query(`update read.ended_session set transaction_id = '9000000000' where user_id = $1`, [restored]);
    expect((await read(undefined)).ended.map(({ userId }) => userId)).toEqual(expect.arrayContaining([restored, fresh]));
    const since = (await read(mark)).ended.map(({ userId }) => userId);
    expect(since).toContain(fresh);
    expect(since).not.toContain(restored);
  });

  it('reads no standby, which does not know all transactions', async () => {
    const standby = pool(database.connections.replicas[0] ?? {});
    await expect(readEndedSessions(standby)(undefined)).rejects.toThrow('recovery is in progress');
    await standby.end();
  });
});

it('after a failover that lost transactions, the watch learns of what was ended since, under ids that it has read past', async () => {
  await using dataDir = temporaryDataDir();
  await using cluster = await startForTest({ dataDir: dataDir.path });
  const database = await createTestDatabase(cluster.connections);
  const name = database.connections.reader.database ?? '';
  const here = (connection: Connection): Connection => ({ ...connection, database: name });
  const { owner, superuser } = cluster.connections;
  const [replica] = cluster.connections.replicas;
  if (!replica) throw new Error('there is no replica');

  let current = pool(database.connections.reader);
  const watch = startEndedSessionWatch({
    read: (mark) => readEndedSessions(current)(mark),
    intervalMs: 10,
    logger: { warn: () => {}, info: () => {} },
    now: Date.now,
  });
  try {
    // Replication logs in as the superuser, so that nobody else of that name gets in from here on, and the primary goes on alone.
    const onPrimary = await connected(superuser);
    const onReplica = await connected(here({ ...superuser, host: replica.host, port: replica.port }));
    await onPrimary.query('alter role postgres nologin');
    await onPrimary.query('select pg_terminate_backend(pid) from pg_stat_replication');
    await until('the replica is cut off', async () => {
      const { rows } = await onPrimary.query<{ count: number }>('select count(*)::int from pg_stat_replication');
      return rows[0]?.count === 0;
    });
    const lost: string[] = [];
    for (let n = 0; n < 20; n += 1) {
      const [row] = await ask<{ id: string }>(here(owner) as never, END);
      lost.push(row?.id ?? '');
    }
    await eventually(() => expect(watch.hasEnded(lost.at(-1) ?? '', 1, '')).toBe(true));

    await onReplica.query('select pg_promote()');
    await Promise.all([onPrimary.end(), onReplica.end()]);
    const promoted = here({ ...owner, host: replica.host, port: replica.port });
    const [ended] = await ask<{ id: string }>(promoted as never, END);
    await current.end();
    current = pool({ ...replica, database: name });
    await eventually(() => expect(watch.hasEnded(ended?.id ?? '', 1, '')).toBe(true));
    // What was acknowledged once is not taken back.
    expect(watch.hasEnded(lost[0] ?? '', 1, '')).toBe(true);
  } finally {
    await watch.stop();
    await current.end();
  }
}, 60_000);
