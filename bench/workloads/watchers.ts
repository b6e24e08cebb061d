import { setTimeout as delay } from 'node:timers/promises';
import { create, toBinary } from '@bufbuild/protobuf';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { QueryService, WatchUsersRequestSchema } from '../../gen/users/v1/query_service_pb.js';
import type { Bench } from '../bench.ts';
import { checkFailures } from '../checks.ts';
import { compare } from '../compare.ts';
import { SAMPLE_USERS, userId } from '../data/user-numbers.ts';
import { grpcFrame } from '../load/bodies.ts';
import { type GrpcStreams, openStreams } from '../load/grpc-streams.ts';
import { ask } from '../sampling.ts';
import { quantile } from '../statistics.ts';
import type { Subject } from '../subjects/subject.ts';
import { Values } from '../values.ts';
import type { Findings, Workload } from '../workload.ts';
import { loadOfChangeName } from './change-name.ts';

const method = CommandService.method.changeName;
const MANY = 1_000;
const PER_CONNECTION = 50;
/** Commands whose changes are waited for, and the time between two of them in milliseconds. */
const WAITED_FOR = 50;
const PAUSE = 20;

export const watchers: Workload = {
  name: 'watchers',
  about: `ChangeName as in change-name, with and without ${MANY.toLocaleString('en')} watchers who share all users among them; how soon one has a change`,
  run: async (bench): Promise<Findings> => {
    const compared = await compareWithWatchers(bench);
    const watched = await watchDelivery(bench);
    return {
      measures: [...compared.measures, ...watched.measures],
      ratios: compared.ratios,
      problems: [...compared.problems, ...watched.problems],
    };
  },
};

async function compareWithWatchers(bench: Bench): Promise<Findings> {
  let open: Watchers | undefined;
  const many = `${MANY.toLocaleString('en')} watchers`;
  const contender = (name: string, count: number) => ({
    name,
    subject: 'ours' as const,
    load: async (subject: Subject) => {
      open?.close();
      open = count > 0 ? await Watchers.open(bench, subject, count) : undefined;
      return await loadOfChangeName(bench, subject);
    },
  });
  const findings = await compare(bench, {
    contenders: [contender('alone', 0), contender(many, MANY)],
    goals: [{ of: many, to: 'alone', goal: { atLeast: 0.9 } }],
  });
  open?.close();
  return findings;
}

async function watchDelivery(bench: Bench): Promise<Omit<Findings, 'ratios'>> {
  const { rounds } = bench.settings;
  const problems = new Set<string>();
  const values = new Values();
  // Those of the round before may still be about to end.
  const subject = await bench.start('ours', { LIMIT_STREAMS: String(2 * MANY) });
  const name = `one of ${MANY.toLocaleString('en')}`;
  for (let round = 1; round <= rounds; round += 1) {
    bench.say(`round ${round} of ${rounds}: ${name} waiting`);
    const open = await Watchers.open(bench, subject, MANY);
    const delays = await delaysOf(bench, { subject, open });
    open.close();
    values.keep(name, 'p50 ms to a change', quantile(delays, 0.5), { atMost: 50 });
    values.keep(name, 'p99 ms to a change', quantile(delays, 0.99));
  }
  await checkFailures(subject, problems);
  return { measures: values.measures(), problems: [...problems] };
}

/** From the answer to a command to its change at the watcher, in milliseconds. */
async function delaysOf(bench: Bench, { subject, open }: { subject: Subject; open: Watchers }): Promise<Float64Array> {
  const delays: number[] = [];
  const user = userId(bench.users + SAMPLE_USERS - 1);
  for (let serial = 1; serial <= WAITED_FOR; serial += 1) {
    const arrived = open.next();
    await ask(bench, { subject, method, request: { userId: user, name: `Watched ${serial} ${performance.now()}` } });
    const answered = performance.now();
    delays.push(Math.max(0, (await arrived) - answered));
    await delay(PAUSE);
  }
  return Float64Array.from(delays).sort();
}

/** Streams of WatchUsers that share all users among them. */
export class Watchers {
  readonly #messages: number[];
  #open: GrpcStreams | undefined;
  #changed: (() => void)[] = [];

  private constructor(count: number) {
    this.#messages = Array.from({ length: count }, () => 0);
  }

  /** Resolves when each stream has its snapshot. */
  static async open(bench: Bench, subject: Subject, count: number): Promise<Watchers> {
    const watchers = new Watchers(count);
    const all = bench.users + SAMPLE_USERS;
    const idsOf = (index: number): string[] => {
      const numbers = Array.from({ length: Math.ceil(all / count) }, (_, place) => index + place * count);
      return numbers.filter((number) => number < all).map(userId);
    };
    const requests = watchers.#messages.map((_, index) => create(WatchUsersRequestSchema, { userIds: idsOf(index) }));
    watchers.#open = await openStreams(bench, {
      subject,
      method: QueryService.method.watchUsers,
      bodies: requests.map((request) => grpcFrame(toBinary(WatchUsersRequestSchema, request))),
      perConnection: PER_CONNECTION,
      came: (index, messages) => watchers.#came(index, messages),
    });
    // The last message of a snapshot says that it has caught up.
    await watchers.#until(() => watchers.#messages.every((count, index) => count > (requests[index]?.userIds.length ?? 0)));
    return watchers;
  }

  /** When the next message has come, whoever it is for. */
  async next(): Promise<number> {
    await new Promise<void>((resolve) => this.#changed.push(resolve));
    return performance.now();
  }

  close(): void {
    this.#open?.close();
  }

  #came(index: number, messages: number): void {
    this.#messages[index] = (this.#messages[index] ?? 0) + messages;
    for (const changed of this.#changed.splice(0)) changed();
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#changed.push(resolve));
  }
}
