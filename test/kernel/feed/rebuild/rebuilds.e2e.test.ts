import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import type { EmbeddedCluster } from '../../../../src/embedded-postgres/embedded-cluster.ts';
import { startEmbeddedCluster } from '../../../../src/embedded-postgres/start-embedded-cluster.ts';
import { loadOrCreateSigningKey } from '../../../../src/kernel/auth/key-files.ts';
import { createTestDatabase, type TestDatabase, urlOf } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';
import { type Service, startService } from '../../../support/service.ts';
import { temporaryDataDir } from '../../../support/temporary-data-dir.ts';
import { ask, over, tablesBeside } from './rebuild-work.ts';

/** Users that are there before, whose rows are made by SQL. */
const USERS = 20_000;

const dataDir = temporaryDataDir();
let cluster: EmbeddedCluster;
let keys: string;
beforeAll(async () => {
  cluster = await startEmbeddedCluster({ dataDir: dataDir.path, settings: { fsync: 'off' } });
});
afterAll(async () => {
  await cluster.stop();
  await dataDir[Symbol.asyncDispose]();
});

let database: TestDatabase;
let stack: AsyncDisposableStack;
let env: Record<string, string>;
beforeEach(async () => {
  stack = new AsyncDisposableStack();
  database = await createTestDatabase(cluster.connections);
  stack.defer(() => database.drop());
  keys = await mkdtemp(join(tmpdir(), 'bicameral-keys-'));
  stack.defer(() => rm(keys, { recursive: true }));
  await loadOrCreateSigningKey(join(keys, 'key.pem'));
  const { writer, replicas } = database.connections;
  env = {
    DATABASE_URL: urlOf(writer),
    DATABASE_REPLICA_URLS: replicas.map(urlOf).join(),
    AUTH_SIGNING_KEY_FILE: join(keys, 'key.pem'),
    RATE_LIMITS: 'sign-up=off,log-in=off',
  };
  await database.query(
    `insert into users."user" (id, email, name, status, roles, created_at, updated_at, session_epoch, version)
     select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'person-' || n || '@example.org', 'Person Ä' || n, 'active', '{}', now(), now(), 1, 1
     from generate_series(1, $1::integer) as n`,
    [USERS],
  );
  await database.query(
    `insert into cqrs.event (id, type, payload, aggregate_type, aggregate_id, aggregate_version, command_id, traceparent, occurred_at)
     select gen_random_uuid(), 'users.v1.UserCreated', '', 'users.v1.User', id, 1, gen_random_uuid(), '', created_at from users."user"`,
  );
});
afterEach(() => stack.disposeAsync());

const feed = {
  rows: async <Row>(text: string, ...values: unknown[]): Promise<Row[]> => (await database.query(text, values)) as never,
};

/** Commands and queries, one after the other by each of some callers, until it is stopped; answers what failed. */
async function startCalls(
  service: Service,
): Promise<{ stop: () => Promise<{ commands: number; queries: number; failures: unknown[] }> }> {
  const transport = createGrpcTransport({ baseUrl: `http://${service.grpcAddress}` });
  const headers = { authorization: `Bearer ${await service.adminToken()}` };
  const [commands, queries] = [createClient(CommandService, transport), createClient(QueryService, transport)];
  const failures: unknown[] = [];
  let [sent, asked, isOver] = [0, 0, false];
  const idOf = (n: number): string => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
  const noted = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => failures.push(error));
  const command = async (caller: number): Promise<void> => {
    for (let n = 1; !isOver; n += 1) {
      const userId = idOf(1 + ((n * 7 + caller * 1_001) % USERS));
      const isSuspension = n % 5 === 0;
      await noted(
        isSuspension
          ? commands
              .suspendUser({ userId, reason: 'a test' }, { headers })
              .then(() => commands.reactivateUser({ userId, reason: 'a test' }, { headers }))
          : commands.changeName({ userId, name: `Name ${caller} ${n}` }, { headers }),
      );
      sent += 1;
    }
  };
  const query = async (caller: number): Promise<void> => {
    for (let n = 1; !isOver; n += 1) {
      const userId = idOf(1 + ((n * 13 + caller * 977) % USERS));
      const primary = { ...headers, 'cqrs-consistency': 'strong' };
      await noted(queries.getUser({ userId }, { headers: n % 2 === 0 ? headers : primary }));
      if (n % 10 === 0) await noted(queries.listUsers({ pageSize: 5 }, { headers }));
      asked += 1;
    }
  };
  const working = Promise.all([...[1, 2, 3].map(command), ...[1, 2, 3].map(query)]);
  return {
    stop: async () => {
      isOver = true;
      await working;
      return { commands: sent, queries: asked, failures };
    },
  };
}

/** What a table of users has to say, by the users. */
const WRONG_DIRECTORY = `select count(*)::integer as rows from users."user" as one full join read.user_directory as row using (id)
  where row.id is null or one.id is null or row.name <> one.name or row.status <> one.status or row.version <> one.version or row.email <> one.email`;

async function corrupt(): Promise<void> {
  await database.query(
    `delete from read.user_directory where id in (select id from read.user_directory order by id limit 100 offset 5000)`,
  );
  await database.query(
    `update read.user_directory set name = 'forged' where id in (select id from read.user_directory order by id desc limit 100)`,
  );
  await database.query(`insert into read.user_directory (id, email, name, status, roles, created_at, updated_at, version)
    select gen_random_uuid(), '', 'added', 'deleted', '{}', now(), now(), 1 from generate_series(1, 10)`);
}

describe('read models of users that were corrupted', () => {
  it('are made anew while commands and queries go on: none fails, and the result is what users and events say', async () => {
    const service = stack.use(await startService({ env }));
    // No user is in the directory yet, as if it had been lost.
    expect(await over(feed, await ask(feed, 'user_directory'))).toMatchObject({ state: 'done', error: null, done: USERS });
    await eventually(async () => {
      const [row] = await feed.rows<{ is_there: boolean }>(
        `select checkpoint >= last_sequence and last_sequence >= ${USERS} as is_there from cqrs.processor, cqrs.sequencer where name = 'user_statistics'`,
      );
      expect(row?.is_there).toBe(true);
    });
    await corrupt();
    await database.query(`update read.user_count set users = users + 3`);
    await database.query('delete from read.user_day');

    const calls = await startCalls(service);
    const jobs = [];
    for (const projection of ['user_directory', 'user_statistics', 'user_directory', 'user_statistics']) {
      for (const verify of [false, true]) {
        const job = await over(feed, await ask(feed, projection, verify));
        jobs.push({ projection, state: job.state, error: job.error, differences: job.differences });
      }
    }
    const { failures, commands, queries } = await calls.stop();
    expect(failures).toEqual([]);
    expect(commands).toBeGreaterThan(100);
    expect(queries).toBeGreaterThan(100);
    expect(jobs.map(({ projection, state, error, differences }) => [projection, state, error, differences])).toEqual(
      ['user_directory', 'user_statistics', 'user_directory', 'user_statistics'].flatMap((projection) => [
        [projection, 'done', null, null],
        [projection, 'done', null, []],
      ]),
    );
    expect(await feed.rows(WRONG_DIRECTORY)).toEqual([{ rows: 0 }]);
    await eventually(async () => {
      expect(await feed.rows(`select status, users::integer from read.user_count where users <> 0 order by 1`)).toEqual(
        await feed.rows(`select status, count(*)::integer as users from users."user" group by status order by 1`),
      );
    });
    await eventually(async () => expect(await tablesBeside(feed)).toEqual([]));
  });

  it('are gone on with by another instance when the one that makes them is killed', async () => {
    const instances = await Promise.all([startService({ env }), startService({ env })]);
    for (const instance of instances) stack.use(instance);
    expect(await over(feed, await ask(feed, 'user_directory'))).toMatchObject({ state: 'done' });
    await corrupt();
    // Nothing is swapped while somebody reads: it is killed before its end.
    const reader = new pg.Client(database.connections.writer);
    await reader.connect();
    stack.defer(() => reader.end());
    await reader.query('begin; select from read.user_directory limit 1');
    const id = await ask(feed, 'user_directory');
    let pid = 0;
    await eventually(async () => {
      const [row] = await feed.rows<{ pid: number }>(
        'select pid from cqrs.rebuild join cqrs.instance on instance.id = owner where rebuild.id = $1 and done > 0',
        id,
      );
      expect(row).toBeDefined();
      pid = row?.pid ?? 0;
    });
    const [owner, other] = instances.toSorted((one) => (one.pid === pid ? -1 : 1)) as [Service, Service];
    const calls = await startCalls(other);
    await owner.kill();
    await eventually(() => expect(other.log()).toContain('a rebuild goes on'));
    await reader.query('commit');
    expect(await over(feed, id)).toMatchObject({ state: 'done', error: null, done: USERS });
    expect((await calls.stop()).failures).toEqual([]);
    expect(await feed.rows(WRONG_DIRECTORY)).toEqual([{ rows: 0 }]);
    expect(await over(feed, await ask(feed, 'user_directory', true))).toMatchObject({ state: 'done', differences: [] });
  });
});
