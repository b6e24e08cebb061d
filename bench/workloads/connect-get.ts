import { QueryService } from '../../gen/users/v1/query_service_pb.js';
import { connectGetPath } from '../calls.ts';
import { compare, contenders } from '../compare.ts';
import { userId } from '../data/user-numbers.ts';
import type { Workload } from '../workload.ts';
import { sampleOfGetUser } from './get-user.ts';

const PATHS = 2000;

export const connectGet: Workload = {
  name: 'connect-get',
  about: `GetUser as Connect GET over HTTP/1.1, over ${PATHS.toLocaleString('en')} users, 32 connections`,
  run: (bench) => {
    const step = bench.users / PATHS;
    const paths = Array.from({ length: PATHS }, (_, number) =>
      connectGetPath(QueryService.method.getUser, { userId: userId(Math.floor(number * step)) }),
    );
    return compare(bench, {
      contenders: contenders(['ours', 'connect'], {
        load: async ({ httpPort }) => ({
          port: httpPort,
          path: '',
          http1: true,
          headers: [`authorization: ${await bench.authorization()}`],
          requests: { kind: 'paths', paths },
          processes: 4,
          connections: 8,
          streams: 1,
        }),
        sample: (subject, round) => sampleOfGetUser(bench, subject, round),
      }),
      goals: [{ of: 'ours', to: 'connect', goal: { atLeast: 1 } }],
    });
  },
};
