import { setTimeout as delay } from 'node:timers/promises';
import type { Bench, LoadOptions } from './bench.ts';
import { checkAnswers, checkFailures, checkResult, type Sample } from './checks.ts';
import { cpuSeconds } from './load/cpu-time.ts';
import type { LoadResult } from './load/run-load.ts';
import { figure, quantile } from './statistics.ts';
import type { Subject, SubjectName } from './subjects/subject.ts';
import { Values } from './values.ts';
import type { Findings, Goal, Ratio } from './workload.ts';

/** One line of a comparison: a subject, and what it is asked. */
export interface Contender {
  /** As it is printed. */
  readonly name: string;
  readonly subject: SubjectName;
  /** Of a process of its own, which differs from the others of its subject in these variables. */
  readonly environment?: Readonly<Record<string, string>>;
  /** How it is loaded, as fast as it answers. */
  readonly load: (subject: Subject) => LoadOptions | Promise<LoadOptions>;
  /** Asks it while it is loaded. */
  readonly sample?: (subject: Subject, round: number) => Promise<unknown>;
  /** Contenders of the same question have to answer the same in one round. Default: all have the same. */
  readonly question?: string;
}

/** Loads on several subjects, in turn. */
export interface Comparison {
  readonly contenders: readonly Contender[];
  /** Latency is measured besides: of these contenders, at so many calls a second. */
  readonly latency?: { readonly of: readonly string[]; readonly rate: number };
  readonly goals?: readonly RatioGoal[];
}

/** A ratio of throughputs of two contenders, by name. */
export interface RatioGoal {
  readonly of: string;
  readonly to: string;
  readonly goal?: Goal;
}

/** On one connection, where calls begin at a constant rate: enough that no call waits for another one's end. */
export const MOST_IN_FLIGHT = 100;

/** The same load for each of the subjects. */
export function contenders(names: readonly SubjectName[], same: Pick<Contender, 'load' | 'sample'>): Contender[] {
  return names.map((name) => ({ name, subject: name, ...same }));
}

/** Loads the contenders A B C, A B C, … and finds throughput, processor time a call, and latency at a constant rate. */
export async function compare(bench: Bench, comparison: Comparison): Promise<Findings> {
  const { rounds } = bench.settings;
  const { contenders, latency, goals } = measured(bench, comparison);
  const problems = new Set<string>();
  const values = new Values();
  const subjects = await startWarm(bench, contenders, problems);
  for (let round = 1; round <= rounds; round += 1) {
    const samples: Sample[] = [];
    for (const { contender, subject } of subjects) {
      bench.say(`round ${round} of ${rounds}: ${contender.name}`);
      const { result, answer, cpu } = await loadOnce(bench, { contender, subject, round });
      checkResult(contender.name, result, problems);
      await checkFailures(subject, problems);
      values.keep(contender.name, 'calls/s', result.perSecond);
      if (cpu !== undefined) values.keep(contender.name, 'CPU µs/call', (cpu * 1e6) / result.answered);
      const { name, question = '' } = contender;
      samples.push({ name, question, answer, bytes: result.answerBytes / result.answered });
    }
    checkAnswers(samples, problems);
    for (const { contender, subject } of subjects) {
      if (!latency?.of.includes(contender.name) || !bench.settings.latency) continue;
      bench.say(`round ${round} of ${rounds}: latency of ${contender.name}`);
      const result = await bench.load({ ...(await contender.load(subject)), rate: latency.rate, streams: MOST_IN_FLIGHT });
      checkResult(contender.name, result, problems);
      await checkFailures(subject, problems);
      values.keep(contender.name, `p50 ms at ${latency.rate}/s`, quantile(result.latencies, 0.5) / 1000);
      values.keep(contender.name, 'p99 ms', quantile(result.latencies, 0.99) / 1000);
    }
  }
  return {
    measures: values.measures(),
    ratios: goals.map((goal) => ratio(goal, (name) => values.rounds(name, 'calls/s'))),
    problems: [...problems],
  };
}

/** The comparison without the subjects that this run leaves out. */
function measured(
  { subjects }: Bench,
  { contenders, goals = [], ...rest }: Comparison,
): Required<Pick<Comparison, 'goals'>> & Comparison {
  const left = contenders.filter(({ subject }) => subjects.has(subject));
  const isLeft = (name: string): boolean => left.some((contender) => contender.name === name);
  return { ...rest, contenders: left, goals: goals.filter(({ of, to }) => isLeft(of) && isLeft(to)) };
}

/** Each contender with its subject; contenders of one subject in one environment share a process. */
async function startWarm(
  bench: Bench,
  contenders: readonly Contender[],
  problems: Set<string>,
): Promise<{ contender: Contender; subject: Subject }[]> {
  const running = new Map<string, Subject>();
  const pairs: { contender: Contender; subject: Subject }[] = [];
  for (const contender of contenders) {
    bench.say(`starting ${contender.name}`);
    const { environment } = contender;
    const key = `${contender.subject} ${JSON.stringify(environment)}`;
    const subject = running.get(key) ?? (await bench.start(contender.subject, environment));
    running.set(key, subject);
    bench.say(`warming up ${contender.name}`);
    await bench.load({ ...(await contender.load(subject)), seconds: bench.settings.firstWarmUpSeconds });
    await checkFailures(subject, problems);
    pairs.push({ contender, subject });
  }
  return pairs;
}

/** One round of one contender. The sample is taken in the middle of it. */
async function loadOnce(
  bench: Bench,
  { contender, subject, round }: { contender: Contender; subject: Subject; round: number },
): Promise<{ result: LoadResult; answer: unknown; cpu: number | undefined }> {
  const { warmUpSeconds, seconds } = bench.settings;
  const options = await contender.load(subject);
  const watch = async (): Promise<{ answer: unknown; cpu: number | undefined }> => {
    await delay(warmUpSeconds * 1000);
    const before = await cpuSeconds(subject.pid);
    const over = delay(seconds * 1000);
    await delay(seconds * 500);
    const answer = await contender.sample?.(subject, round).catch((error: unknown) => `failed: ${error}`);
    await over;
    const after = await cpuSeconds(subject.pid);
    return { answer, cpu: before === undefined || after === undefined ? undefined : after - before };
  };
  const [result, watched] = await Promise.all([bench.load(options), watch()]);
  return { result, ...watched };
}

/** Divides round by round, because what slows a machine down for some seconds slows neighbours in time. */
export function ratio({ of, to, goal }: RatioGoal, roundsOf: (name: string) => readonly number[]): Ratio {
  const below = roundsOf(to);
  const rounds = roundsOf(of).map((value, round) => value / (below[round] ?? Number.NaN));
  return { name: `${of} / ${to}`, figure: figure(rounds), ...(goal && { goal }) };
}
