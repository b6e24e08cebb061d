import { randomBytes } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Code, ConnectError } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Caller, callerWith } from '../support/callers.ts';
import { run } from '../support/command-line.ts';
import { eventually } from '../support/eventually.ts';
import { PATIENCE } from '../support/patience.ts';
import { PASSWORD, somebody } from '../support/people.ts';
import { childrenOf, isAlive, processesIn } from '../support/processes.ts';
import { repeated } from '../support/repeated.ts';
import { type Service, startService } from '../support/service.ts';
import { temporaryDataDir } from '../support/temporary-data-dir.ts';
import { connectTo, halfWritten } from './acknowledged-commands.ts';

const WORKERS = '2';
const dataDir = temporaryDataDir();
let service: Service;
let token: string;

beforeAll(async () => {
  service = await startService({ dataDir: dataDir.path, env: { WORKERS } });
  token = await service.adminToken();
});
afterAll(async () => {
  await service?.stop();
  await dataDir[Symbol.asyncDispose]();
});

const workers = (): number[] => childrenOf(service.pid, '\0worker\0');
const servers = (): number[] => processesIn(realpathSync(join(dataDir.path, 'postgres')));

/** Resolves once one of those workers has been replaced by one that serves. */
async function replaced(worker: number, before: readonly number[]): Promise<void> {
  await until(() => {
    const fresh = workers().find((pid) => !before.includes(pid));
    return !workers().includes(worker) && service.log().includes(`"worker":${fresh},"msg":"a new worker serves"`);
  });
}

/** A caller on a connection of its own. */
const connect = (withToken = token): Caller =>
  callerWith(withToken, service.grpcAddress, { 'grpc.use_local_subchannel_pool': 1 });

/** The worker that the caller's connection is with, as the log tells. */
async function workerOf({ queries }: Caller): Promise<number> {
  const traceId = randomBytes(16).toString('hex');
  await queries.getUser({ userId: '' }, { headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` } }).catch(() => {});
  const line = () =>
    service
      .log()
      .split('\n')
      .find((text) => text.includes(traceId));
  await until(() => line() !== undefined);
  return JSON.parse(line() ?? '').pid;
}

/** A caller with each worker, in the order of their pids. */
async function connectToEach(withToken = token): Promise<DisposableStack & { readonly callers: readonly Caller[] }> {
  const stack = new DisposableStack();
  const callers = new Map<number, Caller>();
  for (let attempt = 0; callers.size < workers().length && attempt < 10; attempt += 1) {
    const caller = stack.use(connect(withToken));
    callers.set(await workerOf(caller), caller);
  }
  const inOrder = [...callers].sort(([one], [other]) => one - other).map(([, caller]) => caller);
  return Object.assign(stack, { callers: inOrder });
}

async function until(isSo: () => boolean, patience = PATIENCE): Promise<void> {
  for (const end = performance.now() + patience; !isSo(); await sleep(20)) {
    if (performance.now() > end) throw new Error(`waited ${patience} ms in vain for ${isSo}`);
  }
}

/** Calls until it is answered by anything but UNAVAILABLE, and answers how often it had to call again. */
async function patiently(call: () => Promise<unknown>): Promise<number> {
  const giveUpAt = performance.now() + PATIENCE;
  for (let retries = 0; ; retries += 1) {
    try {
      await call();
      return retries;
    } catch (error) {
      if (codeOf(error) !== 'Unavailable' || performance.now() > giveUpAt) throw error;
      await sleep(50);
    }
  }
}

const codeOf = (failure: unknown): string => Code[ConnectError.from(failure).code];

describe('two workers', () => {
  it('serve on the same addresses, connections in turn, and are told of once', async () => {
    const callers = Array.from({ length: 4 }, () => connect());
    const used = [];
    for (const caller of callers) used.push(await workerOf(caller));
    for (const caller of callers) caller[Symbol.dispose]();
    expect([...new Set(used)].sort()).toEqual(workers().sort());
    expect(used.slice(2)).toEqual(used.slice(0, 2));

    expect(service.terminal().match(/is serving/g)).toHaveLength(1);
    for (let connection = 0; connection < 2; connection += 1) {
      const ready = await fetch(`http://${service.httpAddress}/readyz`, { headers: { connection: 'close' } });
      expect(ready.status).toBe(200);
    }
    const addresses = { DATA_DIR: dataDir.path, GRPC_ADDRESS: service.grpcAddress, HTTP_ADDRESS: service.httpAddress };
    const { code, stdout } = await run(['status'], addresses);
    expect(code).toBe(0);
    expect(stdout).toMatch(/server +serving/);
  });

  it('both refuse a token once its user is suspended', async () => {
    using admin = connect();
    const person = somebody();
    const { user } = await admin.commands.createUser(person);
    const userId = user?.id ?? '';
    const { accessToken } = await admin.commands.logIn({ email: person.email, password: PASSWORD });
    using each = await connectToEach(accessToken);
    const outcomes = (): Promise<string[]> =>
      Promise.all(each.callers.map(({ queries }) => queries.getUser({ userId }).then(() => 'answered', codeOf)));
    expect(await outcomes()).toEqual(['answered', 'answered']);
    await admin.commands.suspendUser({ userId, reason: 'test' });
    await eventually(async () => expect(await outcomes()).toEqual(['Unauthenticated', 'Unauthenticated']));
  });

  it('go on without one that is stuck, which is ended and replaced', async () => {
    const [stuck = 0, other = 0] = workers();
    process.kill(stuck, 'SIGSTOP');
    await replaced(stuck, [stuck, other]);
    expect(workers()).toContain(other);
    expect(service.log()).toContain(
      `"worker":${stuck},"restartInMs":500,"msg":"a worker answered nothing for 30 s and was ended by SIGKILL"`,
    );
    using each = await connectToEach();
    expect(each.callers).toHaveLength(2);
  });

  it('leave nobody waiting who was dealt to one that ended before it took them', async () => {
    const before = workers();
    const [stuck = 0] = before;
    process.kill(stuck, 'SIGSTOP');
    const { hostname, port } = new URL(`http://${service.grpcAddress}`);
    const sockets = Array.from({ length: 6 }, () => createConnection({ host: hostname, port: Number(port) }));
    // What a server sends first, its SETTINGS, or the end.
    const answers = sockets.map((socket) => {
      socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0');
      return new Promise<string>((end) => {
        socket.on('error', () => {});
        socket.once('data', () => end('served')).once('close', () => end('closed'));
      });
    });
    await until(() => sockets.every(({ readyState }) => readyState === 'open'));
    // By then all were dealt: in turn, until the stuck one had one that it does not take.
    await Promise.any(answers);
    process.kill(stuck, 'SIGKILL');
    const seen = await Promise.all(answers);
    expect(seen.filter((end) => end === 'served').length).toBeGreaterThan(0);
    for (const socket of sockets) socket.destroy();
    await replaced(stuck, before);
  });

  it('go on without one that is killed, which is replaced', async () => {
    const [killed = 0, other = 0] = workers();
    using each = await connectToEach();
    const [ofKilled, ofOther] = each.callers as [Caller, Caller];
    await using loadOfKilled = repeated(2, () => ofKilled.queries.listUsers({ pageSize: 1 }));
    await using loadOfOther = repeated(2, () => ofOther.queries.listUsers({ pageSize: 1 }));
    await sleep(200);
    process.kill(killed, 'SIGKILL');
    await replaced(killed, [killed, other]);
    expect(workers()).toContain(other);
    // Its callers are served again at once, by another.
    expect(await workerOf(ofKilled)).not.toBe(killed);
    // grpc-js itself sends a call again that the worker had not begun.
    expect(loadOfKilled.failures.map(codeOf).filter((code) => code !== 'Unavailable')).toEqual([]);
    expect(loadOfOther.failures).toEqual([]);
    expect(service.log()).toMatch(new RegExp(`"worker":${killed},"restartInMs":\\d+,"msg":"a worker was ended by SIGKILL"`));
    {
      using connections = await connectToEach();
      expect(connections.callers).toHaveLength(2);
    }
    await using database = await connectTo(dataDir.path);
    const { rows } = await database.query(
      `select count(*)::integer from pg_stat_activity where application_name = 'bicameral monitor primary'`,
    );
    expect(rows).toEqual([{ count: 2 }]);
  });

  it('come back on the same addresses when both are killed', async () => {
    const before = workers();
    for (const worker of before) process.kill(worker, 'SIGKILL');
    await until(() => workers().length === 2 && !workers().some((worker) => before.includes(worker)));
    using caller = connect();
    await patiently(() => caller.queries.listUsers({ pageSize: 1 }));
    expect(workers()).toContain(await workerOf(caller));
  });

  it('have their metrics on one page: their sum, which goes on when one is replaced', async () => {
    const page = async (): Promise<string> => (await fetch(`http://${service.metricsAddress}/metrics`)).text();
    const value = async (series: string): Promise<number> =>
      Number(
        (await page())
          .split('\n')
          .find((line) => line.startsWith(`${series} `))
          ?.slice(series.length + 1),
      );
    const refused = 'cqrs_query_total{method="users.v1.QueryService/GetUser",code="INVALID_ARGUMENT"}';
    await eventually(async () => expect(await value('bicameral_processes')).toBe(2));
    {
      using each = await connectToEach();
      const before = await value(refused);
      for (const { queries } of each.callers)
        for (let n = 0; n < 5; n += 1) await queries.getUser({ userId: '' }).catch(() => {});
      expect(await value(refused)).toBe(before + 10);
    }
    const counted = await value(refused);
    const [killed = 0, other = 0] = workers();
    process.kill(killed, 'SIGKILL');
    await replaced(killed, [killed, other]);
    expect(await value(refused)).toBe(counted);
    expect(await value('bicameral_processes')).toBe(2);
    const addresses = { DATA_DIR: dataDir.path, METRICS_ADDRESS: service.metricsAddress };
    expect((await run(['top'], addresses)).stdout).toMatch(/^bicameral \S+ +2 processes/);
  });

  it('finish their calls when the program is told to stop: none fails at a client that retries UNAVAILABLE', async () => {
    const { grpcAddress, httpAddress } = service;
    using each = await connectToEach();
    expect(each.callers).toHaveLength(2);
    let done = 0;
    let retries = 0;
    const { user } = (await each.callers[0]?.commands.createUser(somebody())) ?? {};
    const userId = user?.id ?? '';
    const loads = each.callers.map(({ commands, queries }, index) =>
      repeated(6, async () => {
        retries += await patiently(() => commands.changeName({ userId, name: `Name ${index} ${done}` }));
        retries += await patiently(() => queries.getUser({ userId }));
        done += 2;
      }),
    );
    await until(() => done > 50);
    const processes = [...workers(), ...servers()];
    expect(await service.stop()).toBe(0);
    expect(processes.filter(isAlive)).toEqual([]);
    expect(service.log()).not.toContain('while it stopped');
    const doneBefore = done;
    service = await startService({
      dataDir: dataDir.path,
      env: { WORKERS, GRPC_ADDRESS: grpcAddress, HTTP_ADDRESS: httpAddress },
    });
    await until(() => done > doneBefore + 50);
    for (const load of loads) await load[Symbol.asyncDispose]();
    expect(loads.flatMap(({ failures }) => failures)).toEqual([]);
    expect(retries).toBeGreaterThan(0);
    await using database = await connectTo(dataDir.path);
    expect(await halfWritten(database)).toEqual([]);
  });

  it('end with the program when that is killed, and so does PostgreSQL', async () => {
    const processes = [...workers(), ...servers()];
    expect(processes.length).toBeGreaterThan(4);
    await service.kill();
    await until(() => processes.filter(isAlive).length === 0);
  });
});

describe('two workers that cannot start', () => {
  it('say why once, and leave nothing running', async () => {
    await using taken = await startService();
    await using place = temporaryDataDir();
    const { code, stderr } = await run(['serve'], {
      WORKERS,
      DATA_DIR: place.path,
      GRPC_ADDRESS: '127.0.0.1:0',
      HTTP_ADDRESS: taken.httpAddress,
    });
    expect(code).toBe(1);
    expect(stderr.match(/HTTP_ADDRESS: address in use/g)).toHaveLength(1);
    expect(stderr).not.toMatch(/^ +at /m);
    expect(existsSync(place.path)).toBe(false);
  });
});
