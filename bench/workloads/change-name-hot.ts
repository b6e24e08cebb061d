import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { grpcCalls } from '../calls.ts';
import { compare, contenders } from '../compare.ts';
import { userId } from '../data/user-numbers.ts';
import type { Workload } from '../workload.ts';

/** Few: more callers of one user only wait for each other. */
const IN_FLIGHT = 4;

export const changeNameHot: Workload = {
  name: 'change-name-hot',
  about: `ChangeName over gRPC, all calls for one user, ${IN_FLIGHT} in flight`,
  run: (bench) =>
    compare(bench, {
      contenders: contenders(['ours', 'floor'], {
        load: async ({ grpcPort }) => ({
          port: grpcPort,
          ...grpcCalls(CommandService.method.changeName, {
            request: (_, serial) => ({ userId: userId(0), name: `Name ${serial}` }),
            users: bench.users,
            authorization: await bench.authorization(),
          }),
          processes: IN_FLIGHT,
          connections: 1,
          streams: 1,
        }),
      }),
      goals: [{ of: 'ours', to: 'floor' }],
    }),
};
