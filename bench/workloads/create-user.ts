import { randomBytes } from 'node:crypto';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { grpcCalls } from '../calls.ts';
import { checkFailures, checkResult } from '../checks.ts';
import { ratio } from '../compare.ts';
import { PASSWORD } from '../data/make-users.ts';
import { hashesPerSecond } from '../load/hash-passwords.ts';
import { Values } from '../values.ts';
import type { Findings, Workload } from '../workload.ts';

const ALONE = 'argon2id alone';

export const createUser: Workload = {
  name: 'create-user',
  about: 'CreateUser over gRPC, 4 in flight, beside the argon2id hashes a second that this machine makes',
  run: async (bench): Promise<Findings> => {
    const { rounds, seconds, firstWarmUpSeconds } = bench.settings;
    // Users of an earlier run in the same database have other addresses.
    const run = randomBytes(4).toString('hex');
    const ours = await bench.start('ours');
    const calls = grpcCalls(CommandService.method.createUser, {
      request: (_, serial) => ({ email: `${run}.${serial}@example.org`, name: `New ${serial}`, password: PASSWORD }),
      users: bench.users,
      authorization: await bench.authorization(),
    });
    const load = { port: ours.grpcPort, ...calls, processes: 4, connections: 1, streams: 1, changeEveryMs: 2 };
    bench.say('warming up ours');
    await bench.load({ ...load, seconds: firstWarmUpSeconds });

    const problems = new Set<string>();
    const values = new Values();
    for (let round = 1; round <= rounds; round += 1) {
      bench.say(`round ${round} of ${rounds}: ours`);
      const result = await bench.load(load);
      checkResult('ours', result, problems);
      await checkFailures(ours, problems);
      values.keep('ours', 'a second', result.perSecond);
      bench.say(`round ${round} of ${rounds}: ${ALONE}`);
      values.keep(ALONE, 'a second', await hashesPerSecond(seconds));
    }
    return {
      measures: values.measures(),
      ratios: [ratio({ of: 'ours', to: ALONE, goal: { atLeast: 0.9 } }, (name) => values.rounds(name, 'a second'))],
      problems: [...problems],
    };
  },
};
