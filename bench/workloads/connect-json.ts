import { QueryService } from '../../gen/users/v1/query_service_pb.js';
import { connectJsonCalls } from '../calls.ts';
import { compare, contenders } from '../compare.ts';
import { userId } from '../data/user-numbers.ts';
import type { Workload } from '../workload.ts';
import { sampleOfGetUser } from './get-user.ts';

export const connectJson: Workload = {
  name: 'connect-json',
  about: 'GetUser as Connect JSON over HTTP/1.1, over all users, 32 connections',
  run: (bench) =>
    compare(bench, {
      contenders: contenders(['ours', 'connect'], {
        load: async ({ httpPort }) => ({
          port: httpPort,
          http1: true,
          ...connectJsonCalls(QueryService.method.getUser, {
            request: (user) => ({ userId: userId(user) }),
            users: bench.users,
            authorization: await bench.authorization(),
          }),
          processes: 8,
          connections: 4,
          streams: 1,
        }),
        sample: (subject, round) => sampleOfGetUser(bench, subject, round),
      }),
      goals: [{ of: 'ours', to: 'connect', goal: { atLeast: 1 } }],
    }),
};
