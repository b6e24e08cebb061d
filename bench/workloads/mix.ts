import { checkFailures, checkResult } from '../checks.ts';
import { MOST_IN_FLIGHT, ratio } from '../compare.ts';
import type { LoadResult } from '../load/run-load.ts';
import { quantile } from '../statistics.ts';
import type { Subject, SubjectName } from '../subjects/subject.ts';
import { Values } from '../values.ts';
import type { Findings, Goal, Workload } from '../workload.ts';
import { loadOfChangeName } from './change-name.ts';
import { loadOfGetUser } from './get-user.ts';

const COMMANDS = 100;
const QUERIES = 1000;
/** Longer than other workloads by this: the thousandth part of the calls has to be many. */
const LONGER = 2;
/** A driver that sends fewer calls than it was asked to flatters the latency. */
const LEAST_RATE = 0.95;

export const mix: Workload = {
  name: 'mix',
  about: `${COMMANDS} ChangeName/s and ${QUERIES.toLocaleString('en')} GetUser/s at once over gRPC, at constant rates`,
  run: async (bench): Promise<Findings> => {
    const { rounds, seconds, firstWarmUpSeconds } = bench.settings;
    const problems = new Set<string>();
    const values = new Values();
    const both = async (subject: Subject, duration: number): Promise<[commands: LoadResult, queries: LoadResult]> => {
      const most = { streams: MOST_IN_FLIGHT, seconds: duration };
      return await Promise.all([
        bench.load({ ...(await loadOfChangeName(bench, subject)), ...most, rate: COMMANDS }),
        bench.load({ ...(await loadOfGetUser(bench, subject)), ...most, rate: QUERIES }),
      ]);
    };

    const subjects: Subject[] = [];
    for (const name of (['ours', 'floor'] satisfies SubjectName[]).filter((name) => bench.subjects.has(name))) {
      bench.say(`starting ${name}`);
      const subject = await bench.start(name);
      subjects.push(subject);
      bench.say(`warming up ${name}`);
      await bench.load({ ...(await loadOfGetUser(bench, subject)), seconds: firstWarmUpSeconds });
      await bench.load({ ...(await loadOfChangeName(bench, subject)), seconds: firstWarmUpSeconds });
    }
    for (let round = 1; round <= rounds; round += 1) {
      for (const subject of subjects) {
        bench.say(`round ${round} of ${rounds}: ${subject.name}`);
        const [commands, queries] = await bench.profiled(() => both(subject, seconds * LONGER));
        await checkFailures(subject, problems);
        keep({ subject, kind: 'command', result: commands, rate: COMMANDS, goal: { atMost: 25 } });
        keep({ subject, kind: 'query', result: queries, rate: QUERIES, goal: { atMost: 10 } });
      }
    }
    const ratios = ['command', 'query'].map((kind) => {
      const goal = { of: `ours ${kind}`, to: `floor ${kind}`, goal: { atMost: 1.3 } };
      const found = ratio(goal, (name) => values.rounds(name, 'p99 ms'));
      return { ...found, name: `${found.name}, p99` };
    });
    return {
      measures: values.measures(),
      ratios: subjects.length === 2 ? ratios : [],
      problems: [...problems],
    };

    function keep(part: { subject: Subject; kind: string; result: LoadResult; rate: number; goal: Goal }): void {
      const { result, rate, subject, kind } = part;
      const name = `${subject.name} ${kind}`;
      checkResult(name, result, problems);
      if (result.perSecond < rate * LEAST_RATE)
        problems.add(`${name}: only ${result.perSecond.toFixed(0)} of ${rate} calls a second`);
      values.keep(name, 'p50 ms', quantile(result.latencies, 0.5) / 1000);
      values.keep(name, 'p99 ms', quantile(result.latencies, 0.99) / 1000, subject.name === 'ours' ? part.goal : undefined);
      values.keep(name, 'p99.9 ms', quantile(result.latencies, 0.999) / 1000);
    }
  },
};
