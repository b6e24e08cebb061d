import { create, toBinary } from '@bufbuild/protobuf';
import { QueryService } from '../../gen/users/v1/query_service_pb.js';
import type { Bench } from '../bench.ts';
import { sameGrpcCall } from '../calls.ts';
import { type RatioGoal, ratio } from '../compare.ts';
import { userId } from '../data/user-numbers.ts';
import { grpcFrame } from '../load/bodies.ts';
import { residentBytes } from '../load/cpu-time.ts';
import { type Probed, probe } from '../load/probe.ts';
import { quantile } from '../statistics.ts';
import type { Subject } from '../subjects/subject.ts';
import { Values } from '../values.ts';
import type { Findings, Workload } from '../workload.ts';
import { loadOfGetUser } from './get-user.ts';

/** Ten times what the service has in flight in the workload get-user. */
const TIMES = 10;
const PROBES_PER_SECOND = 300;
const OK = 0;
const RESOURCE_EXHAUSTED = 8;
/** A second is too short for a storm. */
const LONGER = 2;

export const storm: Workload = {
  name: 'storm',
  about: `GetUser over gRPC, ${TIMES} times as many in flight as in get-user; what ${PROBES_PER_SECOND} other calls a second see of it`,
  run: async (bench): Promise<Findings> => {
    const { rounds, seconds, firstWarmUpSeconds } = bench.settings;
    const problems = new Set<string>();
    const values = new Values();
    const ours = await bench.start('ours');
    const load = await loadOfGetUser(bench, ours);
    bench.say('warming up');
    await bench.load({ ...load, seconds: firstWarmUpSeconds });
    for (let round = 1; round <= rounds; round += 1) {
      bench.say(`round ${round} of ${rounds}: without load`);
      const calm = await probeGetUser(bench, ours, seconds);
      bench.say(`round ${round} of ${rounds}: as much as it carries`);
      const [busy] = await Promise.all([probeGetUser(bench, ours, seconds), bench.load(load)]);
      bench.say(`round ${round} of ${rounds}: the storm`);
      const [stormy, result] = await Promise.all([
        probeGetUser(bench, ours, seconds * LONGER),
        bench.load({ ...load, streams: load.streams * TIMES, seconds: seconds * LONGER }),
      ]);
      if (result.failed > 0) problems.add('calls failed below gRPC');
      for (const failure of await ours.takeFailures())
        if (!failure.startsWith('RESOURCE_EXHAUSTED')) problems.add(`calls failed with ${failure}`);
      keep('unloaded', withStatus(calm, OK));
      keep('beside 64 in flight', withStatus(busy, OK));
      keep('admitted', withStatus(stormy, OK), true);
      keep('refused', withStatus(stormy, RESOURCE_EXHAUSTED), true);
      values.keep('all of the storm', 'calls/s', result.perSecond);
      values.keep('all of the storm', 'MB resident', ((await residentBytes(ours.pid)) ?? Number.NaN) / 1024 / 1024);
    }
    const goals: RatioGoal[] = [
      { of: 'admitted', to: 'unloaded', goal: { atMost: 3 } },
      { of: 'admitted', to: 'beside 64 in flight' },
    ];
    const ratios = goals.map((goal) => {
      const found = ratio(goal, (name) => values.rounds(name, 'p99 ms'));
      return { ...found, name: `${found.name}, p99` };
    });
    return { measures: values.measures(), ratios, problems: [...problems] };

    function keep(name: string, times: Float64Array, counted = false): void {
      if (counted) values.keep(name, 'of the probes, %', (100 * times.length) / (PROBES_PER_SECOND * seconds * LONGER));
      values.keep(name, 'p50 ms', quantile(times, 0.5), name === 'refused' ? { atMost: 2 } : undefined);
      values.keep(name, 'p99 ms', quantile(times, 0.99));
    }
  },
};

async function probeGetUser(bench: Bench, { grpcPort }: Subject, seconds: number): Promise<Probed[]> {
  const method = QueryService.method.getUser;
  const request = { userId: userId(1) };
  const { path, headers } = sameGrpcCall(method, { request, authorization: await bench.authorization() });
  const body = grpcFrame(toBinary(method.input, create(method.input, request)));
  return await probe({ port: grpcPort, path, headers, body, perSecond: PROBES_PER_SECOND, seconds });
}

const withStatus = (probed: readonly Probed[], wanted: number): Float64Array =>
  Float64Array.from(probed.filter(({ status }) => status === wanted).map(({ ms }) => ms)).sort();
