import { setTimeout as delay } from 'node:timers/promises';
import { create, toBinary, toJsonString } from '@bufbuild/protobuf';
import { QueryService } from '../../gen/users/v1/query_service_pb.js';
import type { Bench, LoadOptions } from '../bench.ts';
import { connectJsonCalls, sameGrpcCall } from '../calls.ts';
import { ratio } from '../compare.ts';
import { userId } from '../data/user-numbers.ts';
import { grpcFrame } from '../load/bodies.ts';
import { residentBytes } from '../load/cpu-time.ts';
import { type Probed, probe } from '../load/probe.ts';
import { runPatientCallers } from '../load/run-patient-callers.ts';
import { openWire, type Target } from '../load/wire.ts';
import { quantile } from '../statistics.ts';
import type { Subject } from '../subjects/subject.ts';
import { Values } from '../values.ts';
import type { Findings, Ratio, Workload } from '../workload.ts';
import { loadOfGetUser } from './get-user.ts';

const method = QueryService.method.getUser;
/** Ten times what the service has in flight in the workload get-user. */
const IN_FLIGHT = 64;
const TIMES = 10;
const DRIVERS = 8;
const PROBES_PER_SECOND = 300;
/** Users that the patient callers ask for. */
const USERS = 100;
/** A second is too short for a storm. */
const LONGER = 2;
/**
 * Before a load is there. In a storm over HTTP/1.1 each caller has a connection of its own, and Node accepts one in each turn of its event
 * loop, which takes milliseconds under load.
 */
const BEFORE = { grpc: 1, connect: 6 };
/** Of the probes. Over HTTP/1.1 the next call on a connection comes no sooner than a caller would that waits as told. */
const CONNECTIONS = { grpc: 1, connect: 200 };

/** Whether those who are refused wait as they are told, or come back at once. */
interface Storm {
  readonly name: string;
  readonly isPatient: boolean;
}

const STORMS: readonly Storm[] = [
  { name: 'at once', isPatient: false },
  { name: 'as told', isPatient: true },
];
const DOORS = { grpc: 'over gRPC', connect: 'as Connect JSON over HTTP/1.1' };

export const storm = stormAt('storm', 'grpc');
export const stormOverConnect = stormAt('storm-connect', 'connect');

function stormAt(name: string, door: Target['door']): Workload {
  const about = `GetUser ${DOORS[door]}, ${TIMES} times as many in flight as in get-user, by callers who come back at once when they are refused, and by callers who wait as told; what ${PROBES_PER_SECOND} other calls a second see of it`;
  return { name, about, run: (bench) => runStorms(bench, door) };
}

async function runStorms(bench: Bench, door: Target['door']): Promise<Findings> {
  const { rounds, seconds, firstWarmUpSeconds } = bench.settings;
  const problems = new Set<string>();
  const values = new Values();
  const ours = await bench.start('ours');
  bench.say('warming up');
  await bench.load({ ...(await loadOfGetUser(bench, ours)), seconds: firstWarmUpSeconds });
  await bench.load({
    ...(await loadAtOnce(bench, ours, { door: 'connect', inFlight: IN_FLIGHT })),
    seconds: firstWarmUpSeconds,
  });
  for (let round = 1; round <= rounds; round += 1) for (const one of STORMS) await runOne(one, round);
  return { measures: values.measures(), ratios: STORMS.flatMap(ratiosOf), problems: [...problems] };

  async function runOne(one: Storm, round: number): Promise<void> {
    const { name } = one;
    const say = (step: string): void => bench.say(`round ${round} of ${rounds}: ${name}, ${step}`);
    const wire = await openWire(await targetOf(bench, ours, door), CONNECTIONS[door]);
    const probed = (duration: number) => probe(wire, { perSecond: PROBES_PER_SECOND, seconds: duration });
    const probedUnder = async (inFlight: number, duration: number) => {
      const load = loadWith(one, { inFlight, seconds: duration });
      await delay(BEFORE[door] * 1000);
      return await Promise.all([probed(duration), load]);
    };
    say('without load');
    const calm = await probed(seconds);
    say('as much as it carries');
    const [busy] = await probedUnder(IN_FLIGHT, seconds);
    say('the storm');
    const [stormy, answered] = await bench.profiled(() => probedUnder(TIMES * IN_FLIGHT, seconds * LONGER));
    wire.close();
    for (const failure of await ours.takeFailures())
      if (!failure.startsWith('RESOURCE_EXHAUSTED')) problems.add(`calls failed with ${failure}`);
    if ([calm, busy, stormy].flat().some(({ how }) => how === 'failed')) problems.add(`probes failed: ${name}`);
    keep(`${name}: unloaded`, endedAs(calm, 'answered'));
    keep(`${name}: beside ${IN_FLIGHT}`, endedAs(busy, 'answered'));
    keep(`${name}: admitted`, endedAs(stormy, 'answered'));
    keep(`${name}: refused`, endedAs(stormy, 'refused'));
    const refused = endedAs(stormy, 'refused').length / stormy.length;
    values.keep(`${name}: refused`, 'of the probes, %', 100 * refused);
    values.keep(`${name}: all of it`, 'answers/s', answered);
    values.keep(`${name}: all of it`, 'MB resident', ((await residentBytes(ours.pid)) ?? Number.NaN) / 1024 / 1024);
  }

  /** How many calls a second came back, refused or not where h2load counts them. */
  async function loadWith({ isPatient }: Storm, { inFlight, ...load }: { inFlight: number; seconds: number }): Promise<number> {
    const warmUpSeconds = BEFORE[door];
    if (!isPatient) {
      const result = await bench.load({ ...(await loadAtOnce(bench, ours, { door, inFlight })), ...load, warmUpSeconds });
      return result.perSecond;
    }
    const target = await targetOf(bench, ours, door);
    const bodies = target.bodies.map((body) => Buffer.from(body).toString('base64'));
    const connections = door === 'grpc' ? DRIVERS : inFlight;
    const times = { warmUpMs: warmUpSeconds * 1000, durationMs: load.seconds * 1000 };
    const result = await runPatientCallers({ target: { ...target, bodies }, callers: inFlight, connections, ...times });
    if (result.failed > 0) problems.add(`${result.failed} calls of patient callers failed`);
    return result.perSecond;
  }

  function keep(name: string, times: Float64Array): void {
    values.keep(name, 'p50 ms', quantile(times, 0.5));
    values.keep(name, 'p99 ms', quantile(times, 0.99));
  }

  function ratiosOf({ name }: Storm): Ratio[] {
    const of = (line: string, to: string, measure: string, atMost: number): Ratio => {
      const goal = { of: `${name}: ${line}`, to: `${name}: ${to}`, goal: { atMost } };
      const found = ratio(goal, (each) => values.rounds(each, measure));
      return { ...found, name: `${found.name}, ${measure.split(' ')[0]}` };
    };
    return [
      of('admitted', `beside ${IN_FLIGHT}`, 'p99 ms', 1.2),
      of('refused', 'unloaded', 'p50 ms', 3),
      of('refused', 'unloaded', 'p99 ms', 3),
    ];
  }
}

/** Callers who call again as soon as they have an answer, whatever it is. */
async function loadAtOnce(
  bench: Bench,
  subject: Subject,
  { door, inFlight }: { door: Target['door']; inFlight: number },
): Promise<LoadOptions> {
  if (door === 'grpc') return { ...(await loadOfGetUser(bench, subject)), processes: DRIVERS, streams: inFlight / DRIVERS };
  const calls = connectJsonCalls(method, {
    request: (user) => ({ userId: userId(user) }),
    users: bench.users,
    authorization: await bench.authorization(),
  });
  return {
    port: subject.httpPort,
    http1: true,
    ...calls,
    processes: DRIVERS,
    connections: inFlight / DRIVERS,
    streams: 1,
  };
}

async function targetOf(bench: Bench, subject: Subject, door: Target['door']): Promise<Target> {
  const authorization = await bench.authorization();
  const requests = Array.from({ length: USERS }, (_, number) => create(method.input, { userId: userId(number) }));
  const { path, headers } = sameGrpcCall(method, { request: { userId: userId(0) }, authorization });
  if (door === 'grpc') {
    return { door, port: subject.grpcPort, path, headers, bodies: requests.map((one) => grpcFrame(toBinary(method.input, one))) };
  }
  return {
    door,
    port: subject.httpPort,
    path,
    headers: ['content-type: application/json', 'connect-protocol-version: 1', `authorization: ${authorization}`],
    bodies: requests.map((one) => Buffer.from(toJsonString(method.input, one))),
  };
}

const endedAs = (probed: readonly Probed[], wanted: Probed['how']): Float64Array =>
  Float64Array.from(probed.filter(({ how }) => how === wanted).map(({ ms }) => ms)).sort();
