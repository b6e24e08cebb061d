import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import type { Bench, LoadOptions } from '../bench.ts';
import { grpcCalls } from '../calls.ts';
import { compare, contenders } from '../compare.ts';
import { SAMPLE_USERS, userId } from '../data/user-numbers.ts';
import { ask } from '../sampling.ts';
import type { Subject } from '../subjects/subject.ts';
import type { Workload } from '../workload.ts';

const method = CommandService.method.changeName;

export const changeName: Workload = {
  name: 'change-name',
  about: 'ChangeName over gRPC, over all users, another name in each call, 16 in flight',
  run: (bench) =>
    compare(bench, {
      contenders: contenders(['ours', 'floor', 'connect', 'peer'], {
        load: (subject) => loadOfChangeName(bench, subject),
        sample: (subject, round) => sampleOfChangeName(bench, subject, round),
      }),
      latency: { of: ['ours', 'floor', 'peer'], rate: 100 },
      goals: [
        { of: 'ours', to: 'floor', goal: { atLeast: 0.8 } },
        { of: 'ours', to: 'peer', goal: { atLeast: 1.1 } },
        { of: 'ours', to: 'connect' },
      ],
    }),
};

/** 16 drivers with one call in flight and users of their own: never two calls for the same user. */
export async function loadOfChangeName(bench: Bench, { grpcPort }: Subject): Promise<LoadOptions> {
  const calls = grpcCalls(method, {
    request: (user, serial) => ({ userId: userId(user), name: `Name ${serial}` }),
    users: bench.users,
    authorization: await bench.authorization(),
  });
  return { port: grpcPort, ...calls, processes: 16, connections: 1, streams: 1, changeEveryMs: 2 };
}

/** The name differs, so that there is something to change; times and versions differ of course. */
export async function sampleOfChangeName(bench: Bench, subject: Subject, round: number): Promise<unknown> {
  const request = { userId: userId(bench.users + SAMPLE_USERS - 1), name: `Sample ${round} of ${subject.name}` };
  const { user } = await ask(bench, { subject, method, request });
  return { ...user, name: user?.name === request.name, updatedAt: undefined, version: undefined };
}
