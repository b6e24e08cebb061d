import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { Values } from '../values.ts';
import type { Findings, Workload } from '../workload.ts';

const EVENTS = 1_000_000;

export const rebuild: Workload = {
  name: 'rebuild',
  about: `user_statistics made anew from ${EVENTS.toLocaleString('en')} events, and compared with them; user_directory made anew from all users`,
  run: async (bench): Promise<Findings> => {
    const client = new pg.Client(bench.databaseUrl);
    await client.connect();
    const values = new Values();
    const problems = new Set<string>();
    try {
      const subject = await bench.start('ours');
      bench.say(`${EVENTS.toLocaleString('en')} events are stored`);
      await client.query(STORE, [EVENTS]);
      await untilProcessed(client);
      for (let round = 1; round <= bench.settings.rounds; round += 1) {
        for (const [projection, verify, measure] of [
          ['user_statistics', false, 'events/s'],
          ['user_statistics', true, 'events/s, compared'],
          ['user_directory', false, 'rows/s'],
        ] as const) {
          bench.say(`round ${round} of ${bench.settings.rounds}: ${projection}`);
          const { state, done, seconds, differences } = await run(client, projection, verify);
          if (state !== 'done' || differences > 0)
            problems.add(`${projection} ended as ${state}, with ${differences} differences`);
          values.keep(projection, measure, done / seconds, measure === 'events/s' ? { atLeast: 50_000 } : undefined);
        }
      }
      await subject.stop();
    } finally {
      await client.end();
    }
    return { measures: values.measures(), ratios: [], problems: [...problems] };
  },
};

// Of a hundred thousand people, each of whom signs up and logs in; a tenth is suspended.
const STORE = `insert into cqrs.event (id, type, payload, aggregate_type, aggregate_id, aggregate_version, command_id, traceparent, occurred_at)
  select gen_random_uuid(), case n / (($1::integer + 9) / 10) when 0 then 'users.v1.UserCreated' when 9 then 'users.v1.UserSuspended' else 'users.v1.UserLoggedIn' end,
    '', 'users.v1.User', ('00000000-0000-7000-9000-' || lpad((n % (($1::integer + 9) / 10))::text, 12, '0'))::uuid, 1, gen_random_uuid(), '',
    now() - (n % 365) * interval '1 day'
  from generate_series(0, $1::integer - 1) as n`;

async function untilProcessed(client: pg.Client): Promise<void> {
  const text = `select (select max(position) from cqrs.event) is distinct from (select max(position) from cqrs.feed)
      or exists (select from cqrs.processor, cqrs.sequencer where name = 'user_statistics' and checkpoint < last_sequence) as waits`;
  for (;;) {
    const { rows } = await client.query<{ waits: boolean }>(text);
    if (!rows[0]?.waits) return;
    await delay(100);
  }
}

interface Ended {
  readonly state: string;
  /** Events or rows. */
  readonly done: number;
  readonly seconds: number;
  readonly differences: number;
}

/** From the moment when an instance is asked: it looks once a second. */
async function run(client: pg.Client, projection: string, verify: boolean): Promise<Ended> {
  const id = randomUUID();
  await client.query(
    `insert into cqrs.rebuild (id, projection, verify, state, started_at, updated_at) values ($1, $2, $3, 'running', clock_timestamp(), clock_timestamp())`,
    [id, projection, verify],
  );
  for (;;) {
    const { rows } = await client.query<Ended>(
      `select state, done::integer, extract(epoch from finished_at - started_at)::float8 as seconds, coalesce(difference_count, 0)::integer as differences
       from cqrs.rebuild where id = $1 and state <> 'running'`,
      [id],
    );
    const [ended] = rows;
    if (ended) return ended;
    await delay(20);
  }
}
