import { QueryService } from '../../gen/users/v1/query_service_pb.js';
import type { Bench, LoadOptions } from '../bench.ts';
import { grpcCalls } from '../calls.ts';
import { compare, contenders } from '../compare.ts';
import { SAMPLE_USERS, userId } from '../data/user-numbers.ts';
import { ask } from '../sampling.ts';
import type { Subject } from '../subjects/subject.ts';
import type { Workload } from '../workload.ts';

const method = QueryService.method.getUser;

export const getUser: Workload = {
  name: 'get-user',
  about: 'GetUser over gRPC, over all users, 64 in flight',
  run: (bench) =>
    compare(bench, {
      contenders: contenders(['ours', 'floor', 'connect', 'peer'], {
        load: (subject) => loadOfGetUser(bench, subject),
        sample: (subject, round) => sampleOfGetUser(bench, subject, round),
      }),
      latency: { of: ['ours', 'floor', 'peer'], rate: 1000 },
      goals: [
        { of: 'ours', to: 'floor', goal: { atLeast: 0.9 } },
        { of: 'ours', to: 'peer', goal: { atLeast: 2 } },
        { of: 'ours', to: 'connect' },
      ],
    }),
};

export async function loadOfGetUser(bench: Bench, { grpcPort }: Subject): Promise<LoadOptions> {
  const authorization = await bench.authorization();
  const calls = grpcCalls(method, { request: (user) => ({ userId: userId(user) }), users: bench.users, authorization });
  return { port: grpcPort, ...calls, processes: 8, connections: 1, streams: 8 };
}

/** A user whom no workload changes, another in each round. */
export async function sampleOfGetUser(bench: Bench, subject: Subject, round: number): Promise<unknown> {
  const number = bench.users + (round % (SAMPLE_USERS - 1));
  return await ask(bench, { subject, method, request: { userId: userId(number) } });
}
