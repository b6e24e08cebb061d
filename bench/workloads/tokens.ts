import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import type { Bench, LoadOptions } from '../bench.ts';
import { compare } from '../compare.ts';
import { userId } from '../data/user-numbers.ts';
import { headersOf } from '../sampling.ts';
import type { Subject } from '../subjects/subject.ts';
import type { Workload } from '../workload.ts';
import { loadOfGetUser, sampleOfGetUser } from './get-user.ts';

const TOKEN = 'cqrs-consistency-token';

/** Each command changes something. */
let commands = 0;

export const tokens: Workload = {
  name: 'tokens',
  about:
    'GetUser over gRPC, over all users, 64 in flight: with the token of a command that was answered just before, and without one',
  run: (bench) => {
    const sample = (subject: Subject, round: number): Promise<unknown> => sampleOfGetUser(bench, subject, round);
    return compare(bench, {
      contenders: [
        { name: 'with a token', subject: 'ours', load: (subject) => loadWithToken(bench, subject), sample },
        { name: 'without', subject: 'ours', load: (subject) => loadOfGetUser(bench, subject), sample },
      ],
      goals: [{ of: 'with a token', to: 'without', goal: { atLeast: 0.95 } }],
    });
  },
};

async function loadWithToken(bench: Bench, subject: Subject): Promise<LoadOptions> {
  commands += 1;
  const request = { userId: userId(0), name: `Name ${commands}` };
  const token = (await headersOf(bench, { subject, method: CommandService.method.changeName, request })).get(TOKEN);
  if (token === null) throw new Error(`the answer of a command has no ${TOKEN}`);
  const load = await loadOfGetUser(bench, subject);
  return { ...load, headers: [...load.headers, `${TOKEN}: ${token}`] };
}
