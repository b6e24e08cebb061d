import { randomBytes } from 'node:crypto';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import type { LoadOptions } from '../bench.ts';
import { grpcCalls } from '../calls.ts';
import { checkFailures, checkResult } from '../checks.ts';
import { ratio } from '../compare.ts';
import { PASSWORD } from '../data/make-users.ts';
import { hashesPerSecond } from '../load/hash-passwords.ts';
import type { Subject } from '../subjects/subject.ts';
import { Values } from '../values.ts';
import type { Findings, Workload } from '../workload.ts';

const ALONE = 'argon2id alone';

export const createUser: Workload = {
  name: 'create-user',
  about: 'CreateUser over gRPC, 4 in flight, beside the floor, and the argon2id hashes a second that this machine makes',
  run: async (bench): Promise<Findings> => {
    const { rounds, seconds, firstWarmUpSeconds } = bench.settings;
    // Users of an earlier run in the same database have other addresses.
    const run = randomBytes(4).toString('hex');
    const calls = grpcCalls(CommandService.method.createUser, {
      request: (_, serial) => ({ email: `${run}.${serial}@example.org`, name: `New ${serial}`, password: PASSWORD }),
      users: bench.users,
      authorization: await bench.authorization(),
    });
    const loadOf = ({ grpcPort }: Subject): LoadOptions => ({
      port: grpcPort,
      ...calls,
      processes: 4,
      connections: 1,
      streams: 1,
      changeEveryMs: 2,
    });
    const subjects: Subject[] = [];
    for (const name of (['ours', 'floor'] as const).filter((each) => bench.subjects.has(each))) {
      const subject = await bench.start(name);
      subjects.push(subject);
      bench.say(`warming up ${name}`);
      await bench.load({ ...loadOf(subject), seconds: firstWarmUpSeconds });
    }

    const problems = new Set<string>();
    const values = new Values();
    for (let round = 1; round <= rounds; round += 1) {
      for (const subject of subjects) {
        bench.say(`round ${round} of ${rounds}: ${subject.name}`);
        const result = await bench.load(loadOf(subject));
        checkResult(subject.name, result, problems);
        await checkFailures(subject, problems);
        values.keep(subject.name, 'a second', result.perSecond);
      }
      bench.say(`round ${round} of ${rounds}: ${ALONE}`);
      values.keep(ALONE, 'a second', await hashesPerSecond(seconds));
    }
    const ratios = [
      { of: 'ours', to: ALONE, goal: { atLeast: 0.9 } },
      { of: 'ours', to: 'floor' },
      // What is left of it where nothing is done but to hash and to store.
      { of: 'floor', to: ALONE },
    ].filter(({ of, to }) => [of, to].every((name) => name === ALONE || subjects.some((subject) => subject.name === name)));
    return {
      measures: values.measures(),
      ratios: ratios.map((each) => ratio(each, (name) => values.rounds(name, 'a second'))),
      problems: [...problems],
    };
  },
};
