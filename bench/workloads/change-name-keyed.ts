import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { pathOf } from '../calls.ts';
import { checkFailures } from '../checks.ts';
import { ratio } from '../compare.ts';
import { cpuSeconds } from '../load/cpu-time.ts';
import { runWrk } from '../load/wrk.ts';
import { Values } from '../values.ts';
import type { Findings, Workload } from '../workload.ts';

const CONTENDERS = [
  { name: 'with a key', changingHeader: 'idempotency-key' },
  { name: 'without', changingHeader: undefined },
] as const;

export const changeNameKeyed: Workload = {
  name: 'change-name-keyed',
  about: 'ChangeName as Connect JSON over HTTP/1.1, over all users, each call with an idempotency key of its own, 16 connections',
  run: async (bench): Promise<Findings> => {
    const { rounds, seconds, firstWarmUpSeconds } = bench.settings;
    const problems = new Set<string>();
    const values = new Values();
    const ours = await bench.start('ours');
    const load = {
      port: ours.httpPort,
      path: pathOf(CommandService.method.changeName),
      authorization: await bench.authorization(),
      users: bench.users,
      fields: '"name":"Name $"',
      connections: 16,
    };
    for (const { name, changingHeader } of CONTENDERS) {
      bench.say(`warming up ${name}`);
      await runWrk({ ...load, changingHeader, seconds: firstWarmUpSeconds });
    }
    for (let round = 1; round <= rounds; round += 1) {
      for (const { name, changingHeader } of CONTENDERS) {
        bench.say(`round ${round} of ${rounds}: ${name}`);
        const before = await cpuSeconds(ours.pid);
        const { answered, failed, perSecond } = await runWrk({ ...load, changingHeader, seconds });
        const after = await cpuSeconds(ours.pid);
        if (failed > 0) problems.add(`${name}: calls failed`);
        await checkFailures(ours, problems);
        values.keep(name, 'calls/s', perSecond);
        if (before !== undefined && after !== undefined) values.keep(name, 'CPU µs/call', ((after - before) * 1e6) / answered);
      }
    }
    const ratios = [ratio({ of: 'with a key', to: 'without', goal: { atLeast: 0.9 } }, (name) => values.rounds(name, 'calls/s'))];
    return { measures: values.measures(), ratios, problems: [...problems] };
  },
};
