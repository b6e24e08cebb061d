import { createClient, type Transport } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { inProcessTransport } from '../../../src/kernel/doors/in-process.ts';
import { refusalOf } from '../../support/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { grpcJsTransport } from '../../support/grpc-js-transport.ts';
import { asAdmin, logIn, PASSWORD, signUp } from '../../support/people.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';

const stack = new AsyncDisposableStack();
let app: TestApp;
let user: { id: string; email: string };
let headers: { authorization: string };
let locker: pg.Client;
let overGrpc: Transport;

/** How long a command waits for a connection, in milliseconds. */
const WAIT = 2_000;

beforeAll(async () => {
  app = await startTestApp({ limits: { databaseWaitMs: WAIT } });
  stack.defer(app.stop);
  user = await signUp(app);
  headers = { authorization: `Bearer ${await logIn(app, user)}` };
  locker = new pg.Client(app.database.connections.owner);
  await locker.connect();
  stack.defer(() => locker.end());
  const transport = grpcJsTransport(`127.0.0.1:${app.app.grpcPort}`);
  stack.defer(() => transport.close());
  overGrpc = transport;
});
afterAll(() => stack.disposeAsync());

/** Holds a lock that the statement takes, until it is disposed of. */
async function hold(statement: string): Promise<AsyncDisposable> {
  await locker.query('begin');
  await locker.query(statement);
  return {
    [Symbol.asyncDispose]: async () => {
      await locker.query('rollback');
    },
  };
}
const lockedRow = () => hold(`select from users."user" where id = '${user.id}' for update`);
async function lockedTable(table: string): Promise<AsyncDisposable> {
  const lock = await hold(`lock table ${table} in access exclusive mode`);
  // The replica learns of the lock with the next commit.
  await app.database.query(`select pg_logical_emit_message(true, 'test', 'commit')`);
  await eventually(async () => {
    const locks = `select from pg_locks where mode = 'AccessExclusiveLock' and relation = '${table}'::regclass`;
    expect(await onReplica(locks)).toHaveLength(1);
  });
  return lock;
}

async function onReplica<Row extends pg.QueryResultRow>(text: string): Promise<Row[]> {
  const [replica] = app.database.connections.replicas;
  const client = new pg.Client({ ...replica, user: 'postgres' });
  await client.connect();
  const { rows } = await client.query<Row>(text);
  await client.end();
  return rows;
}

/** The service's statements that wait for a lock, on the primary and on the replica. */
async function waiting(): Promise<string[]> {
  const onServer = `select query from pg_stat_activity
    where datname = current_database() and application_name like 'bicameral%' and wait_event_type = 'Lock'`;
  const onPrimary = await app.database.query<{ query: string }>(onServer);
  return [...onPrimary, ...(await onReplica<{ query: string }>(onServer))].map(({ query }) => query);
}
const somethingWaits = () => eventually(async () => expect(await waiting()).not.toEqual([]));

/** Resolves once no statement waits any more; what they waited for is still locked. */
const expectStatementsToEnd = () => eventually(async () => expect(await waiting()).toEqual([]));

describe.each([
  { door: 'in process', transport: () => inProcessTransport(app.app.bus) },
  { door: 'over gRPC', transport: () => overGrpc },
])('a call $door that waits for a lock', ({ transport }) => {
  const changeName = (options: { timeoutMs?: number; signal?: AbortSignal }) =>
    createClient(CommandService, transport()).changeName({ userId: user.id, name: 'Late' }, { headers, ...options });
  const getUser = (consistency: string, options: { timeoutMs?: number; signal?: AbortSignal }) =>
    createClient(QueryService, transport()).getUser(
      { userId: user.id },
      { headers: { ...headers, ...(consistency === 'strong' && { 'cqrs-consistency': 'strong' }) }, ...options },
    );

  it('ends at its deadline, and so does the statement of a command', async () => {
    await using _ = await lockedRow();
    expect(await refusalOf(changeName({ timeoutMs: 300 }))).toMatchObject({ code: 'DeadlineExceeded' });
    await expectStatementsToEnd();
  });

  it.each(['eventual', 'strong'])('ends at its deadline, and so does the statement of a query, %s', async (consistency) => {
    await using _ = await lockedTable('read.user_directory');
    expect(await refusalOf(getUser(consistency, { timeoutMs: 300 }))).toMatchObject({ code: 'DeadlineExceeded' });
    await expectStatementsToEnd();
  });

  it('ends at its deadline, and so does the look at a password', async () => {
    await using _ = await lockedTable('users."user"');
    const commands = createClient(CommandService, transport());
    const { code } = await refusalOf(commands.logIn({ email: user.email, password: PASSWORD }, { timeoutMs: 300 }));
    expect(code).toBe('DeadlineExceeded');
    await expectStatementsToEnd();
  });

  it('ends when the caller cancels it, and so does the statement of a command', async () => {
    await using _ = await lockedRow();
    const caller = new AbortController();
    const refusal = refusalOf(changeName({ signal: caller.signal }));
    await somethingWaits();
    caller.abort();
    expect((await refusal).code).toBe('Canceled');
    await expectStatementsToEnd();
  });

  it.each(['eventual', 'strong'])(
    'ends when the caller cancels it, and so does the statement of a query, %s',
    async (consistency) => {
      await using _ = await lockedTable('read.user_directory');
      const caller = new AbortController();
      const refusal = refusalOf(getUser(consistency, { signal: caller.signal }));
      await somethingWaits();
      caller.abort();
      expect((await refusal).code).toBe('Canceled');
      await expectStatementsToEnd();
    },
  );
});

describe('connections whose statements were canceled', () => {
  it('serve the next calls', async () => {
    {
      await using _ = await lockedRow();
      const calls = Array.from({ length: 10 }, () =>
        refusalOf(asAdmin(app).changeName({ userId: user.id, name: 'Late' }, { timeoutMs: 200 })),
      );
      expect(new Set((await Promise.all(calls)).map(({ code }) => code))).toEqual(new Set(['DeadlineExceeded']));
    }
    await expectStatementsToEnd();
    const before = await connections();
    const names = Array.from({ length: 20 }, (_, index) => `Name ${index}`);
    for (const name of names) await asAdmin(app).changeName({ userId: user.id, name });
    expect(await connections()).toEqual(before);
  });

  it('serve again after all were taken: those who waited for one were refused', async () => {
    const patient = { timeoutMs: 3 * WAIT };
    let refusals: string[];
    {
      await using _ = await lockedRow();
      const calls = Array.from({ length: 40 }, (_, index) =>
        refusalOf(asAdmin(app).changeName({ userId: user.id, name: 'Late' }, index % 2 ? patient : { timeoutMs: 500 })),
      );
      refusals = (await Promise.all(calls)).map(({ code }) => code);
    }
    expect(new Set(refusals)).toEqual(new Set(['DeadlineExceeded', 'ResourceExhausted']));
    const { user: renamed } = await asAdmin(app).changeName({ userId: user.id, name: 'In time' });
    expect(renamed?.name).toBe('In time');
    await expectStatementsToEnd();
    expect(await connections()).toHaveLength(10);
  });

  const connections = async (): Promise<number[]> => {
    const rows = await app.database.query<{ pid: number }>(
      `select pid from pg_stat_activity where datname = current_database() and application_name = 'bicameral commands' order by pid`,
    );
    return rows.map(({ pid }) => pid);
  };
});
