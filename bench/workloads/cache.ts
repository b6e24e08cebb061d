import { QueryService } from '../../gen/users/v1/query_service_pb.js';
import type { Bench, LoadOptions } from '../bench.ts';
import { connectGetPath } from '../calls.ts';
import { compare } from '../compare.ts';
import { userId } from '../data/user-numbers.ts';
import { figure } from '../statistics.ts';
import { freePort } from '../subjects/program.ts';
import type { Subject } from '../subjects/subject.ts';
import type { Workload } from '../workload.ts';

/**
 * Nine calls in ten are for one of a few users, whose answers stay in memory. Every tenth is for one of many others, each once in a round and in
 * another order in each: one in seven of those is still in memory. Each h2load has paths of its own and one connection, so that nothing depends on how fast they are.
 */
const OFTEN = 1_000;
const SELDOM = 8_000;
const TENTH = 10;
/** About 2,200 answers: those of the few, which are kept in JSON too, and others. */
const MEGABYTES = '2';
const PROCESSES = 8;
/** What the share of answers from memory may be. */
const SHARE = { from: 0.88, to: 0.92 };

export const cache: Workload = {
  name: 'cache',
  about: 'GetUser as Connect GET over HTTP/2, 64 in flight: each read, and nine in ten from memory',
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
        { name: 'read', subject: 'ours', load, question: 'read' },
        { name: 'connect', subject: 'connect', load, question: 'connect' },
        {
          name: 'nine in ten kept',
          subject: 'ours',
          load,
          sample,
          environment: { QUERY_CACHE_MB: MEGABYTES, METRICS_ADDRESS: `127.0.0.1:${port}` },
          question: 'counts',
        },
      ],
      goals: [
        { of: 'nine in ten kept', to: 'read', goal: { atLeast: 1.4 } },
        { of: 'nine in ten kept', to: 'connect', goal: { atLeast: 1.4 } },
      ],
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

async function loadOfGetUser(bench: Bench, { name, httpPort, grpcPort }: Subject): Promise<LoadOptions> {
  const path = (number: number): string => connectGetPath(QueryService.method.getUser, { userId: userId(number) });
  const seldom = inAnyOrder(Array.from({ length: SELDOM }, (_, place) => path(OFTEN + place)));
  // The paths are dealt out among the processes: each of these has its turns of both kinds.
  const paths = Array.from({ length: SELDOM * TENTH }, (_, place) => {
    const isSeldom = Math.floor(place / PROCESSES) % TENTH === TENTH - 1;
    return (isSeldom && seldom.pop()) || path(Math.floor(Math.random() * OFTEN));
  });
  return {
    // connect-node alone has a port for each version of HTTP.
    port: name === 'connect' ? grpcPort : httpPort,
    path: '',
    headers: [`authorization: ${await bench.authorization()}`],
    requests: { kind: 'paths', paths },
    processes: PROCESSES,
    connections: 1,
    streams: 8,
  };
}

const inAnyOrder = (texts: readonly string[]): string[] =>
  texts
    .map((text) => ({ text, place: Math.random() }))
    .sort((one, other) => one.place - other.place)
    .map(({ text }) => text);

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
