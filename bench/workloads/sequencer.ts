import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import type { Bench, LoadOptions } from '../bench.ts';
import { checkFailures, checkResult } from '../checks.ts';
import { compare } from '../compare.ts';
import { SAMPLE_USERS, userId } from '../data/user-numbers.ts';
import { ask } from '../sampling.ts';
import { quantile } from '../statistics.ts';
import { ROOT } from '../subjects/start-subject.ts';
import type { Subject } from '../subjects/subject.ts';
import { Values } from '../values.ts';
import type { Findings, Workload } from '../workload.ts';
import { loadOfChangeName } from './change-name.ts';

const method = CommandService.method.changeName;
const BULK = 100_000;
/** Of the load at which delays are looked at besides, in calls a second. */
const CALM = 100;
/** Between two commands whose numbers are waited for, in milliseconds. */
const PAUSE = 20;
/** Before each load that is compared, in milliseconds. */
const REST = 1_000;

/** Of the session: whoever has it is the only one that may number. */
const LOCK = `select pg_advisory_lock(hashtext('cqrs.sequencer'))`;
const UNLOCK = 'select pg_advisory_unlock_all()';

export const sequencer: Workload = {
  name: 'sequencer',
  about: `ChangeName as in change-name, with and without the numbering of events; how soon an event has its number; ${BULK.toLocaleString('en')} events at once`,
  run: async (bench): Promise<Findings> => {
    const client = new pg.Client(bench.databaseUrl);
    await client.connect();
    try {
      const compared = await compareWithout(bench, client);
      const watched = await watchDelays(bench, client);
      return {
        measures: [...compared.measures, ...watched.measures],
        ratios: compared.ratios,
        problems: [...compared.problems, ...watched.problems],
      };
    } finally {
      await client.end();
    }
  },
};

/** While the one without a sequencer is loaded, the other one, which is idle, would number what is stored: it finds the lock taken. */
async function compareWithout(bench: Bench, client: pg.Client): Promise<Findings> {
  const findings = await compare(bench, {
    contenders: [
      {
        name: 'with',
        subject: 'ours',
        load: async (subject) => {
          await client.query(UNLOCK);
          await settle(client);
          return await loadOfChangeName(bench, subject);
        },
      },
      {
        name: 'without',
        subject: 'ours',
        environment: { NODE_OPTIONS: `--import ${pathToFileURL(`${ROOT}/bench/subjects/without-sequencer.ts`)}` },
        load: async (subject) => {
          await settle(client);
          await client.query(LOCK);
          return await loadOfChangeName(bench, subject);
        },
      },
    ],
    goals: [{ of: 'with', to: 'without', goal: { atLeast: 0.95 } }],
  });
  await client.query(UNLOCK);
  return findings;
}

async function watchDelays(bench: Bench, client: pg.Client): Promise<Omit<Findings, 'ratios'>> {
  const { rounds } = bench.settings;
  const problems = new Set<string>();
  const values = new Values();
  const subject = await bench.start('ours');
  for (let round = 1; round <= rounds; round += 1) {
    for (const [name, rate] of [['at full load', undefined] as const, [`at ${CALM} calls/s`, CALM] as const]) {
      bench.say(`round ${round} of ${rounds}: ${name}`);
      await untilNumbered(client);
      const { result, delays } = await loadAndWatch(bench, { subject, client, rate });
      checkResult(name, result, problems);
      values.keep(name, 'p50 ms to a number', quantile(delays, 0.5), { atMost: 20 });
      values.keep(name, 'p99 ms to a number', quantile(delays, 0.99));
    }
    bench.say(`round ${round} of ${rounds}: many events at once`);
    values.keep('in bulk', 'events/s', await numberInBulk(client), { atLeast: 10_000 });
  }
  await checkFailures(subject, problems);
  return { measures: values.measures(), problems: [...problems] };
}

/** Loads the subject, and meanwhile sends a command now and then and waits until its event has a number: from the answer on, in milliseconds. */
async function loadAndWatch(
  bench: Bench,
  { subject, client, rate }: { subject: Subject; client: pg.Client; rate: number | undefined },
): Promise<{ result: Awaited<ReturnType<Bench['load']>>; delays: Float64Array }> {
  const load: LoadOptions = await loadOfChangeName(bench, subject);
  const options = rate === undefined ? load : { ...load, rate, processes: 1, streams: 16 };
  const delays: number[] = [];
  let isOver = false;
  const watch = async (): Promise<void> => {
    const user = userId(bench.users + SAMPLE_USERS - 1);
    for (let serial = 1; !isOver; serial += 1) {
      await ask(bench, { subject, method, request: { userId: user, name: `Numbered ${serial}` } });
      delays.push(await untilItHasANumber(client, user));
      await delay(PAUSE);
    }
  };
  const [result] = await Promise.all([
    bench.load(options).finally(() => {
      isOver = true;
    }),
    watch(),
  ]);
  return { result, delays: Float64Array.from(delays).sort() };
}

async function untilItHasANumber(client: pg.Client, user: string): Promise<number> {
  const began = performance.now();
  const text = `select sequence from cqrs.event left join cqrs.feed using (position)
    where aggregate_id = $1 order by position desc limit 1`;
  for (;;) {
    const { rows } = await client.query<{ sequence: string | null }>({ name: 'number', text, values: [user] });
    if (rows[0]?.sequence != null) return performance.now() - began;
    await delay(1);
  }
}

/** Events a second, from the moment when all of them are there and may be numbered. The service notices them by itself. */
async function numberInBulk(client: pg.Client): Promise<number> {
  await untilNumbered(client);
  await client.query(LOCK);
  await client.query(
    `insert into cqrs.event (id, type, payload, aggregate_type, aggregate_id, aggregate_version, command_id, traceparent, occurred_at)
     select gen_random_uuid(), 'bench.v1.Happened', '\\x0a2401', 'bench.v1.Thing', gen_random_uuid(), 1, gen_random_uuid(), '', now()
     from generate_series(1, $1::integer)`,
    [BULK],
  );
  const began = performance.now();
  await client.query(UNLOCK);
  await untilNumbered(client);
  return BULK / ((performance.now() - began) / 1000);
}

/** Also for the disk: whoever comes after a load would have its tail. */
async function settle(client: pg.Client): Promise<void> {
  await untilNumbered(client);
  await delay(REST);
}

async function untilNumbered(client: pg.Client): Promise<void> {
  const text = `select (select max(position) from cqrs.event) is distinct from (select max(position) from cqrs.feed) as waits`;
  for (;;) {
    const { rows } = await client.query<{ waits: boolean }>(text);
    if (!rows[0]?.waits) return;
    await delay(5);
  }
}
