import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { RetryInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { type Caller, callerWith } from '../support/callers.ts';
import { refusalOf } from '../support/errors.ts';
import { eventually } from '../support/eventually.ts';
import { logIn, signUp } from '../support/people.ts';
import { frame, openCall, withSession } from '../support/raw-http2.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

const LIMIT = 4;

let app: TestApp;
let userId: string;
let token: string;
let caller: Caller;
let locker: pg.Client;
beforeEach(async () => {
  app = await startTestApp({ limits: { commandsInFlight: LIMIT, queriesInFlight: LIMIT, databaseWaitMs: 30_000 } });
  const user = await signUp(app);
  userId = user.id;
  token = await logIn(app, user);
  caller = callerWith(token, `127.0.0.1:${app.app.grpcPort}`);
  locker = await lockingClient(app);
});
afterEach(async () => {
  caller[Symbol.dispose]();
  await locker.end();
  await app.stop();
});

/** A connection of a test's own, which the end of the database may end. */
async function lockingClient({ database }: TestApp): Promise<pg.Client> {
  const client = new pg.Client(database.connections.owner);
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** As many calls as the instance takes, which wait for a row until they are let go. */
async function fillUp(): Promise<{ letGo: () => Promise<unknown> }> {
  await locker.query('begin');
  await locker.query('select from users."user" where id = $1 for update', [userId]);
  const calls = Array.from({ length: LIMIT }, () => caller.commands.changeName({ userId, name: 'Renamed' }));
  await eventually(async () => {
    const waiting = await app.database.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    expect(waiting).toHaveLength(LIMIT);
  });
  return {
    letGo: async () => {
      await locker.query('rollback');
      return await Promise.all(calls);
    },
  };
}

const rename = (transport: Transport) =>
  createClient(CommandService, transport).changeName(
    { userId, name: 'Refused' },
    { headers: { authorization: `Bearer ${token}` } },
  );
/** The beginning of a call whose message is so long. */
function post({ agent, length }: { agent: Agent; length: number }) {
  const sent = request({
    agent,
    port: app.app.httpPort,
    method: 'POST',
    path: '/users.v1.CommandService/ChangeName',
    headers: { 'content-type': 'application/json', 'content-length': length },
  });
  sent.flushHeaders();
  return sent;
}

async function answerTo(sent: ReturnType<typeof request>) {
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const { code } = JSON.parse(await text(response)) as { code: string };
  return { status: response.statusCode, retryAfter: response.headers['retry-after'], code };
}

/** One more command than the instance takes. */
const oneMore = () => caller.commands.changeName({ userId, name: 'Refused' });

describe('an instance that has as many calls in flight as it takes', () => {
  it('refuses the next, in the same words at every door, and takes it when there is room again', async () => {
    const full = await fillUp();
    const overGrpc = await refusalOf(oneMore());
    const connect = createConnectTransport({ baseUrl: `http://127.0.0.1:${app.app.httpPort}`, httpVersion: '1.1' });
    expect(overGrpc).toEqual({
      code: 'ResourceExhausted',
      reason: 'OVERLOADED',
      metadata: { resource: 'its turn on this instance' },
      fields: [],
    });
    expect(await refusalOf(rename(connect))).toEqual(overGrpc);
    expect(await refusalOf(app.client(CommandService, { token }).changeName({ userId, name: 'Refused' }))).toEqual(overGrpc);
    await full.letGo();
    const { user } = await caller.queries.getUser({ userId }, { headers: { 'cqrs-consistency': 'strong' } });
    expect(user?.name).toBe('Renamed');
  });

  it('refuses in every protocol of the Connect door', async () => {
    const full = await fillUp();
    const baseUrl = `http://127.0.0.1:${app.app.httpPort}`;
    const transports = [
      createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: true }),
      createConnectTransport({ baseUrl, httpVersion: '2', useBinaryFormat: false }),
      createGrpcTransport({ baseUrl, idleConnectionTimeoutMs: 100 }),
      createGrpcWebTransport({ baseUrl, httpVersion: '1.1' }),
    ];
    for (const transport of transports) {
      const error = await rename(transport).catch((refused: ConnectError) => refused);
      expect(await refusalOf(Promise.reject(error))).toMatchObject({ code: 'ResourceExhausted', reason: 'OVERLOADED' });
      expect((error as ConnectError).findDetails(RetryInfoSchema)).toHaveLength(1);
    }
    await full.letGo();
  });

  it('refuses over HTTP/1.1 before the message is read, and goes on with connections whose request is whole', async () => {
    const full = await fillUp();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const unfinished = post({ agent, length: 100 });
    expect(await answerTo(unfinished)).toEqual({
      status: 429,
      retryAfter: expect.stringMatching(/^[12]$/),
      code: 'resource_exhausted',
    });
    unfinished.destroy();

    for (const isReused of [false, true, true]) {
      const whole = post({ agent, length: 2 });
      whole.end('{}');
      expect(await answerTo(whole)).toMatchObject({ status: 429 });
      expect(whole.reusedSocket).toBe(isReused);
    }
    agent.destroy();
    await full.letGo();
  });

  it('goes on with queries while it is full of commands', async () => {
    const full = await fillUp();
    expect((await caller.queries.getUser({ userId })).user?.id).toBe(userId);
    await full.letGo();
  });

  it('tells gRPC callers in trailers alone, with a time to come back that differs', async () => {
    const full = await fillUp();
    const errors = await Promise.all(Array.from({ length: 20 }, () => oneMore().catch((error: ConnectError) => error)));
    const delays = errors.map((error) => {
      const [info] = error instanceof ConnectError ? error.findDetails(RetryInfoSchema) : [];
      return Number(info?.retryDelay?.seconds) * 1000 + Number(info?.retryDelay?.nanos) / 1e6;
    });
    expect(new Set(delays).size).toBeGreaterThan(5);
    for (const ms of delays) expect([ms >= 500, ms <= 1500]).toEqual([true, true]);
    await full.letGo();
  });

  it('still says that it is healthy, and shows its pages', async () => {
    const full = await fillUp();
    const page = await fetch(`http://127.0.0.1:${app.app.httpPort}/healthz`);
    expect(page.status).toBe(200);
    const status = await withSession(app.app.grpcPort, async (session) => {
      const stream = openCall(session, '/grpc.health.v1.Health/Check');
      const trailers = new Promise<Record<string, unknown>>((resolve) => stream.once('trailers', resolve));
      stream.resume().end(frame(Buffer.alloc(0)));
      return (await trailers)['grpc-status'];
    });
    expect(Number(status)).toBe(0);
    await full.letGo();
  });

  it('is not filled by calls whose message never comes', async () => {
    await withSession(app.app.grpcPort, async (session) => {
      for (let call = 0; call < 10 * LIMIT; call++) openCall(session, '/users.v1.QueryService/GetUser');
      await eventually(async () => {
        expect((await caller.queries.getUser({ userId })).user?.id).toBe(userId);
      });
    });
  });
});

it('in a storm some calls are answered, the others refused, and all is well afterwards', async () => {
  const own = { 'grpc.use_local_subchannel_pool': 1 };
  const callers = Array.from({ length: 5 }, () => callerWith(token, `127.0.0.1:${app.app.grpcPort}`, own));
  const outcomes = await Promise.all(
    Array.from({ length: 2000 }, (_, index) =>
      callers[index % 5]?.queries.getUser({ userId }).then(
        () => 'answered',
        async (error) => (await refusalOf(Promise.reject(error))).reason,
      ),
    ),
  );
  for (const each of callers) each[Symbol.dispose]();
  const answered = outcomes.filter((outcome) => outcome === 'answered').length;
  expect(answered).toBeGreaterThanOrEqual(LIMIT);
  expect(answered).toBeLessThan(2000);
  expect(outcomes.filter((outcome) => outcome === 'OVERLOADED')).toHaveLength(2000 - answered);
  for (let call = 0; call < 2 * LIMIT; call++) await caller.queries.getUser({ userId });
  const changed = await Promise.all(
    Array.from({ length: LIMIT }, () => caller.commands.changeName({ userId, name: 'Afterwards' })),
  );
  expect(changed).toHaveLength(LIMIT);
});

it('refusals at the doors are logged with their number, not one by one, and counted', async () => {
  const full = await fillUp();
  const connect = createConnectTransport({ baseUrl: `http://127.0.0.1:${app.app.httpPort}`, httpVersion: '2' });
  await Promise.all(Array.from({ length: 300 }, (_, index) => refusalOf(index % 3 === 0 ? rename(connect) : oneMore())));
  await full.letGo();
  const { metrics } = await app.app.metrics();
  const shed = metrics.find(({ name }) => name === 'cqrs_shed_total');
  expect(shed?.values).toContainEqual(expect.objectContaining({ labels: { kind: 'command' }, value: 300 }));
  await eventually(() => {
    const lines = app
      .log()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.filter(({ reason }) => reason === 'OVERLOADED')).toEqual([]);
    const refused = lines.flatMap((line) => (line.refused === undefined ? [] : [line.refused as number]));
    expect(refused.reduce((sum, one) => sum + one, 0)).toBe(300);
    // A line a second at most.
    expect(refused.length).toBeLessThan(100);
  });
});

describe('commands that find no connection in time', () => {
  let other: TestApp;
  let lock: pg.Client;
  beforeEach(async () => {
    other = await startTestApp({ limits: { databaseWaitMs: 1500 } });
    lock = await lockingClient(other);
  });
  afterEach(async () => {
    await lock.end();
    await other.stop();
  });

  it('are refused, the longer queue at once, while queries go on', async () => {
    const user = await signUp(other);
    await lock.query('begin');
    await lock.query('select from users."user" where id = $1 for update', [user.id]);
    const client = other.client(CommandService, { roles: ['admin'] });
    const rename = (): Promise<unknown> => client.changeName({ userId: user.id, name: 'Renamed' });
    const holding = Array.from({ length: 10 }, rename);
    await eventually(async () => {
      const waiting = await other.database.query(
        `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      expect(waiting).toHaveLength(10);
    });

    const waiting = Array.from({ length: 64 }, () => refusalOf(rename()));
    const refusal = { reason: 'OVERLOADED', metadata: { resource: 'a database connection' } };
    expect(await refusalOf(rename())).toMatchObject(refusal);
    const { user: read } = await other.client(QueryService, { roles: ['admin'] }).getUser({ userId: user.id });
    expect(read?.name).toBe(user.name);
    for (const waited of await Promise.all(waiting)) expect(waited).toMatchObject(refusal);

    await lock.query('rollback');
    await Promise.all(holding);
    await rename();
  });
});
