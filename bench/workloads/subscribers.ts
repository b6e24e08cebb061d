import { setTimeout as delay } from 'node:timers/promises';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import pg from 'pg';
import {
  QueryService,
  SubscribeEventsRequestSchema,
  SubscribeEventsResponseSchema,
} from '../../gen/events/v1/query_service_pb.js';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
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
const { subscribeEvents } = QueryService.method;
const MANY = 100;
/** Events that all who subscribe catch up on. */
const STORED = 20_000;
/** Commands whose events are waited for, and the time between two of them in milliseconds. */
const WAITED_FOR = 50;
const PAUSE = 20;

export const subscribers: Workload = {
  name: 'subscribers',
  about: `ChangeName as in change-name, with and without ${MANY} subscribers to all events; how soon they have an event; how fast they catch up`,
  run: async (bench): Promise<Findings> => {
    const compared = await compareWithSubscribers(bench);
    const watched = await watchDelivery(bench);
    return {
      measures: [...compared.measures, ...watched.measures],
      ratios: compared.ratios,
      problems: [...compared.problems, ...watched.problems],
    };
  },
};

async function compareWithSubscribers(bench: Bench): Promise<Findings> {
  let streams: Streams | undefined;
  const contender = (name: string, count: number) => ({
    name,
    subject: 'ours' as const,
    load: async (subject: Subject) => {
      streams?.close();
      streams = count > 0 ? await Streams.open(bench, { subject, count }) : undefined;
      return await loadOfChangeName(bench, subject);
    },
  });
  const findings = await compare(bench, {
    contenders: [contender('alone', 0), contender('1 subscriber', 1), contender(`${MANY} subscribers`, MANY)],
    goals: [
      { of: '1 subscriber', to: 'alone' },
      { of: `${MANY} subscribers`, to: 'alone' },
    ],
  });
  streams?.close();
  return findings;
}

async function watchDelivery(bench: Bench): Promise<Omit<Findings, 'ratios'>> {
  const { rounds } = bench.settings;
  const problems = new Set<string>();
  const values = new Values();
  const subject = await bench.start('ours');
  const client = new pg.Client(bench.databaseUrl);
  await client.connect();
  const end = await endOfFeed(client);
  for (let round = 1; round <= rounds; round += 1) {
    for (const count of [1, MANY]) {
      const name = count === 1 ? '1 subscriber' : `${count} subscribers`;
      bench.say(`round ${round} of ${rounds}: ${name} catching up`);
      const after = end > BigInt(STORED) ? end - BigInt(STORED) : 0n;
      const began = performance.now();
      const behind = await Streams.open(bench, { subject, count, request: { afterSequence: after } });
      await behind.all(end);
      values.keep(name, 'events/s caught up', (behind.events / (performance.now() - began)) * 1000);
      behind.close();

      bench.say(`round ${round} of ${rounds}: ${name} waiting`);
      const live = await Streams.open(bench, { subject, count });
      const delays = await delaysOf(bench, { subject, live });
      live.close();
      values.keep(name, 'p50 ms to an event', quantile(delays, 0.5));
      values.keep(name, 'p99 ms to an event', quantile(delays, 0.99));
    }
  }
  await client.end();
  await checkFailures(subject, problems);
  return { measures: values.measures(), problems: [...problems] };
}

/** From the answer to a command to its event at every subscriber, in milliseconds. */
async function delaysOf(bench: Bench, { subject, live }: { subject: Subject; live: Streams }): Promise<Float64Array> {
  const delays: number[] = [];
  const user = userId(bench.users + SAMPLE_USERS - 1);
  for (let serial = 1; serial <= WAITED_FOR; serial += 1) {
    const arrived = live.next();
    await ask(bench, { subject, method, request: { userId: user, name: `Told ${serial} ${performance.now()}` } });
    const answered = performance.now();
    delays.push(Math.max(0, (await arrived) - answered));
    await delay(PAUSE);
  }
  return Float64Array.from(delays).sort();
}

async function endOfFeed(client: pg.Client): Promise<bigint> {
  const { rows } = await client.query<{ last_sequence: string }>('select last_sequence from cqrs.sequencer');
  return BigInt(rows[0]?.last_sequence ?? 0);
}

/** Streams of SubscribeEvents. */
class Streams {
  /** How many messages have come, of all streams together. */
  events = 0;
  readonly #places: bigint[];
  #open: GrpcStreams | undefined;
  #changed: (() => void)[] = [];

  private constructor(count: number) {
    this.#places = Array.from({ length: count }, () => -1n);
  }

  /** Resolves when each stream has caught up, or begun to. */
  static async open(
    bench: Bench,
    {
      subject,
      count,
      request = {},
    }: { subject: Subject; count: number; request?: MessageInitShape<typeof SubscribeEventsRequestSchema> },
  ): Promise<Streams> {
    const streams = new Streams(count);
    const body = grpcFrame(toBinary(SubscribeEventsRequestSchema, create(SubscribeEventsRequestSchema, request)));
    streams.#open = await openStreams(bench, {
      subject,
      method: subscribeEvents,
      bodies: Array.from({ length: count }, () => body),
      perConnection: 1,
      came: (index, messages, last) => streams.#came(index, messages, last),
    });
    await streams.#until(() => streams.#places.every((place) => place >= 0n));
    return streams;
  }

  /** Resolves when every stream has told of everything up to the place. */
  all(place: bigint): Promise<void> {
    return this.#until(() => this.#places.every((reached) => reached >= place));
  }

  /** When every stream has told of more than now. */
  async next(): Promise<number> {
    const before = [...this.#places];
    await this.#until(() => this.#places.every((place, index) => place > (before[index] ?? 0n)));
    return performance.now();
  }

  close(): void {
    this.#open?.close();
  }

  #came(index: number, messages: number, last: Buffer): void {
    this.events += messages;
    this.#places[index] = fromBinary(SubscribeEventsResponseSchema, last).throughSequence;
    for (const changed of this.#changed.splice(0)) changed();
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#changed.push(resolve));
  }
}
