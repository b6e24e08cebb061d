import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Connection } from '../../../../src/kernel/database/connection.ts';
import type { SeenEvent } from './checks.ts';
import type { Random } from './random.ts';

const AGGREGATES = 12;
/** The longest of the random delays, in milliseconds. */
const DELAY = 12;

/** The rows that writers wait for each other at. */
export const AGGREGATE_TABLE = 'create table public.tortured (id uuid primary key, version integer not null default 0)';

export async function makeAggregates(query: (text: string, values?: unknown[]) => Promise<unknown>): Promise<string[]> {
  const ids = Array.from({ length: AGGREGATES }, () => randomUUID()).toSorted();
  await query(AGGREGATE_TABLE);
  await query('insert into public.tortured (id) select unnest($1::uuid[])', [ids]);
  await query('grant select, update on public.tortured to bicameral_writer');
  return ids;
}

/** Does so many commands on one connection, one after the other, and returns the events of those that were committed. */
export async function write(connection: Connection, options: WriterOptions): Promise<SeenEvent[]> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    const committed: SeenEvent[] = [];
    for (let command = 0; command < options.commands; command += 1) {
      committed.push(...(await doCommand(client, options)));
      await pause(options.random, 0.3);
    }
    return committed;
  } finally {
    await client.end();
  }
}

export interface WriterOptions {
  readonly random: Random;
  readonly aggregates: readonly string[];
  readonly commands: number;
}

/**
 * One to three aggregates, each with one to three events, in the order of their ids so that nobody waits in a circle; pauses between all
 * steps; what it did in a savepoint is given up now and then, and of twenty transactions one is rolled back.
 */
async function doCommand(client: pg.Client, { random, aggregates }: WriterOptions): Promise<readonly SeenEvent[]> {
  await client.query('begin');
  // It has its id early now and then, and waits then.
  if (random.chance(0.2)) await client.query('select pg_current_xact_id()');
  await pause(random, 0.3);
  const chosen = aggregates.filter(() => random.chance(1.5 / aggregates.length)).slice(0, 3);
  const first = aggregates[random.below(aggregates.length)];
  const written: SeenEvent[] = [];
  for (const aggregateId of chosen.length > 0 || !first ? chosen : [first]) {
    const hasSavepoint = random.chance(0.3);
    if (hasSavepoint) await client.query('savepoint step');
    const events = await change(client, aggregateId, random);
    if (hasSavepoint && random.chance(0.3)) await client.query('rollback to savepoint step');
    else written.push(...events);
    await pause(random, 0.7);
  }
  const isKept = !random.chance(0.05);
  await client.query(isKept ? 'commit' : 'rollback');
  return isKept ? written : [];
}

async function change(client: pg.Client, aggregateId: string, random: Random): Promise<readonly SeenEvent[]> {
  const count = 1 + random.below(3);
  const { rows: changed } = await client.query<{ version: number }>(
    'update public.tortured set version = version + $2 where id = $1 returning version',
    [aggregateId, count],
  );
  // Whatever was committed last, of any aggregate: what is written now comes after it.
  const { rows: seen } = await client.query<{ id: string }>('select id from cqrs.event order by position desc limit 1');
  const before = (changed[0]?.version ?? 0) - count;
  const events = Array.from({ length: count }, (_, index) => ({
    id: randomUUID(),
    aggregateId,
    version: before + index + 1,
    cause: seen[0]?.id,
  }));
  await storeEvents(client, events);
  return events;
}

/** The cause stands where the payload does. */
export async function storeEvents(client: pg.Client, events: readonly SeenEvent[]): Promise<void> {
  await client.query(
    `insert into cqrs.event (id, type, payload, aggregate_type, aggregate_id, aggregate_version, command_id, traceparent, occurred_at)
     select id, 'torture.v1.Happened', convert_to(cause, 'UTF8'), 'torture.v1.Tortured', aggregate_id, version, gen_random_uuid(), '', now()
     from rows from (unnest($1::uuid[]), unnest($2::text[]), unnest($3::uuid[]), unnest($4::integer[]))
       with ordinality as given (id, cause, aggregate_id, version, place) order by place`,
    [
      events.map(({ id }) => id),
      events.map(({ cause = '' }) => cause),
      events.map(({ aggregateId }) => aggregateId),
      events.map(({ version }) => version),
    ],
  );
}

async function pause(random: Random, probability: number): Promise<void> {
  const ms = random.next() * DELAY;
  if (random.chance(probability)) await sleep(ms);
}
