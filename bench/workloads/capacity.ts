import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../gen/users/v1/query_service_pb.js';
import type { Bench, LoadOptions } from '../bench.ts';
import { grpcCalls, sameGrpcCall } from '../calls.ts';
import { checkFailures, checkResult } from '../checks.ts';
import { PASSWORD } from '../data/make-users.ts';
import { type ClusterCost, clusterCost } from '../load/cluster-cost.ts';
import { cpuSeconds, residentBytes } from '../load/cpu-time.ts';
import type { Subject } from '../subjects/subject.ts';
import { Values } from '../values.ts';
import type { Findings, Workload } from '../workload.ts';
import { loadOfChangeName } from './change-name.ts';
import { loadOfGetUser } from './get-user.ts';

type LoadOf = (bench: Bench, subject: Subject) => LoadOptions | Promise<LoadOptions>;

/** Tables that grow with commands. */
const LOGS = ['cqrs.event', 'cqrs.feed', 'cqrs.command_log', 'cqrs.command_seal', 'cqrs.command_seal_batch'];
const IDLE_CONNECTIONS = 500;

export const capacity: Workload = {
  name: 'capacity',
  about: 'what a call costs the processors of the service and of both databases, and what it writes',
  run: async (bench): Promise<Findings> => {
    const { rounds, firstWarmUpSeconds } = bench.settings;
    const problems = new Set<string>();
    const values = new Values();
    const ours = await bench.start('ours');
    values.keep('a connection without calls', 'KB resident', (await bytesOfConnection(ours)) / 1024);
    const loads = Object.entries({
      GetUser: loadOfGetUser,
      'ListUsers, 10': loadOfListUsers,
      ChangeName: loadOfChangeName,
      CreateUser: loadOfCreateUser(),
    });
    for (const [, load] of loads) await bench.load({ ...(await load(bench, ours)), seconds: firstWarmUpSeconds });
    await using databases = await openDatabases(bench);
    for (let round = 1; round <= rounds; round += 1) {
      for (const [name, load] of loads) {
        bench.say(`round ${round} of ${rounds}: what a ${name} costs`);
        const options = await load(bench, ours);
        const [result, used] = await Promise.all([bench.load(options), usedMeanwhile(bench, ours, databases)]);
        checkResult(name, result, problems);
        await checkFailures(ours, problems);
        values.keep(name, 'calls/s', result.perSecond);
        for (const [measure, amount] of Object.entries(used)) values.keep(name, measure, amount / result.answered);
      }
    }
    return { measures: values.measures(), ratios: [], problems: [...problems] };
  },
};

interface Databases extends AsyncDisposable {
  readonly primary: pg.Client;
  readonly replica: pg.Client;
}

async function openDatabases({ databaseUrl, replicaUrl }: Bench): Promise<Databases> {
  const [primary, replica] = [new pg.Client(databaseUrl), new pg.Client(replicaUrl)];
  await Promise.all([primary.connect(), replica.connect()]);
  return { primary, replica, [Symbol.asyncDispose]: async () => void (await Promise.all([primary.end(), replica.end()])) };
}

/** While a load is measured, its warm-up left out: processor time in microseconds, and bytes. */
async function usedMeanwhile(
  { settings }: Bench,
  { pid }: Subject,
  { primary, replica }: Databases,
): Promise<Record<string, number>> {
  const look = async (): Promise<[number, ClusterCost, ClusterCost]> => [
    (await cpuSeconds(pid)) ?? Number.NaN,
    await clusterCost(primary),
    await clusterCost(replica),
  ];
  await delay(settings.warmUpSeconds * 1000);
  const before = await look();
  await delay(settings.seconds * 1000);
  const after = await look();
  const grown = (tables: readonly string[]): number =>
    tables.reduce((sum, table) => sum + (after[1].tableBytes.get(table) ?? 0) - (before[1].tableBytes.get(table) ?? 0), 0);
  const others = [...after[1].tableBytes.keys()].filter((table) => !LOGS.includes(table));
  return {
    'service µs': (after[0] - before[0]) * 1e6,
    'primary µs': (after[1].cpuSeconds - before[1].cpuSeconds) * 1e6,
    'replica µs': (after[2].cpuSeconds - before[2].cpuSeconds) * 1e6,
    'of it replay µs': (after[2].replaySeconds - before[2].replaySeconds) * 1e6,
    'WAL bytes': after[1].walBytes - before[1].walBytes,
    'bytes of logs': grown(LOGS),
    'bytes of tables': grown(others),
  };
}

async function loadOfListUsers(bench: Bench, { grpcPort }: Subject): Promise<LoadOptions> {
  const call = sameGrpcCall(QueryService.method.listUsers, {
    request: { pageSize: 10 },
    authorization: await bench.authorization(),
  });
  return { port: grpcPort, ...call, processes: 4, connections: 1, streams: 8 };
}

/** Users of an earlier run in the same database have other addresses. */
function loadOfCreateUser(): LoadOf {
  const run = randomBytes(4).toString('hex');
  return async (bench, { grpcPort }) => {
    const calls = grpcCalls(CommandService.method.createUser, {
      request: (_, serial) => ({ email: `${run}.${serial}@example.org`, name: `New ${serial}`, password: PASSWORD }),
      users: bench.users,
      authorization: await bench.authorization(),
    });
    return { port: grpcPort, ...calls, processes: 4, connections: 1, streams: 1, changeEveryMs: 2 };
  };
}

/** What the service's memory grows by for each connection that is open and has no call. */
async function bytesOfConnection({ grpcPort, pid }: Subject): Promise<number> {
  const before = (await residentBytes(pid)) ?? Number.NaN;
  const sessions: ClientHttp2Session[] = [];
  for (let index = 0; index < IDLE_CONNECTIONS; index += 1) {
    const session = connect(`http://127.0.0.1:${grpcPort}`);
    sessions.push(session);
    await once(session, 'remoteSettings');
  }
  const after = (await residentBytes(pid)) ?? Number.NaN;
  for (const session of sessions) session.destroy();
  return (after - before) / IDLE_CONNECTIONS;
}
