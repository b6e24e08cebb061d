import { QueryService } from '../../gen/users/v1/query_service_pb.js';
import type { Bench, LoadOptions } from '../bench.ts';
import { grpcCalls } from '../calls.ts';
import { compare } from '../compare.ts';
import { userId } from '../data/user-numbers.ts';
import { figure } from '../statistics.ts';
import { freePort } from '../subjects/program.ts';
import type { Subject } from '../subjects/subject.ts';
import type { Workload } from '../workload.ts';

const method = QueryService.method.getUser;

/** Asked for all alike. The memory of the cache holds nine in ten of their answers, so that one in ten is read. */
const USERS = 9_750;
const MEGABYTES = '6';
/** What the share of answers from memory may be. */
const SHARE = { from: 0.88, to: 0.92 };

export const cache: Workload = {
  name: 'cache',
  about: 'GetUser over gRPC, over 9,750 users, 64 in flight: each read, and nine in ten from memory',
  run: async (bench) => {
    const port = await freePort();
    const shares: number[] = [];
    let before: Counts | undefined;
    const sample = async (): Promise<undefined> => {
      const counts = await countsAt(port);
      if (before) shares.push((counts.hits - before.hits) / (counts.all - before.all));
      before = counts;
    };
    const load = (subject: Subject) => loadOfGetUser(bench, subject);
    const findings = await compare(bench, {
      contenders: [
        { name: 'read', subject: 'ours', load },
        {
          name: 'nine in ten kept',
          subject: 'ours',
          load,
          sample,
          environment: { QUERY_CACHE_MB: MEGABYTES, METRICS_ADDRESS: `127.0.0.1:${port}` },
          question: 'counts',
        },
      ],
      goals: [{ of: 'nine in ten kept', to: 'read', goal: { atLeast: 1.5 } }],
    });
    const isOff = shares.some((share) => share < SHARE.from || share > SHARE.to);
    const problems = isOff ? [`the share of answers from memory was ${shares.map((share) => share.toFixed(3)).join(', ')}`] : [];
    return {
      ...findings,
      measures: [
        ...findings.measures,
        ...(shares.length > 0 ? [{ subject: 'nine in ten kept', measure: 'hit ratio', figure: figure(shares) }] : []),
      ],
      problems: [...findings.problems, ...problems],
    };
  },
};

async function loadOfGetUser(bench: Bench, { grpcPort }: Subject): Promise<LoadOptions> {
  const authorization = await bench.authorization();
  const calls = grpcCalls(method, { request: (user) => ({ userId: userId(user) }), users: USERS, authorization });
  return { port: grpcPort, ...calls, processes: 8, connections: 1, streams: 8 };
}

interface Counts {
  readonly hits: number;
  readonly all: number;
}

async function countsAt(port: number): Promise<Counts> {
  const page = await (await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { accept: 'text/plain' } })).text();
  const counts = [
    ...page.matchAll(/^cqrs_query_cache_total\{method="users\.v1\.QueryService\/GetUser",result="(\w+)"\} (\d+)/gm),
  ];
  const sum = (of: (result: string) => boolean): number =>
    counts.reduce((total, [, result = '', count]) => total + (of(result) ? Number(count) : 0), 0);
  return { hits: sum((result) => result === 'hit' || result === 'shared'), all: sum(() => true) };
}
