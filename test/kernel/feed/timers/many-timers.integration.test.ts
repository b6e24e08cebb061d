import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { UserCreatedSchema } from '#gen/users/v1/events_pb.js';
import { processorStatements } from '../../../../src/kernel/feed/processors/processor-statements.ts';
import { CLAIM } from '../../../../src/kernel/feed/timers/timer-statements.ts';
import { type FeedWork, type Happened, startFeedWork } from '../processors/feed-work.ts';

const MANY = 100_000;
/** Pages that a statement may touch: far fewer than the tables have, and more than it needs. */
const FEW = 500;

let feed: FeedWork;
let client: pg.PoolClient;
beforeAll(async () => {
  feed = await startFeedWork();
  client = await feed.pool.connect();
  await feed.rows(`insert into cqrs.processor (name, kind) values ('payment', 'reactor')`);
});
afterAll(async () => {
  client.release();
  await feed[Symbol.asyncDispose]();
});

const { leave } = processorStatements(
  {
    name: 'payment',
    kind: 'reactor',
    types: ['users.v1.UserCreated'],
    partitions: 1,
    from: 'now',
    definition: '',
    parts: [],
    readsData: false,
    react: async () => {},
  },
  1,
);

const uuids = (count: number): string => `'{${Array.from({ length: count }, () => randomUUID()).join()}}'`;
const claim = (): string =>
  `execute claim('${randomUUID()}', '{payment,another}', '{m0,m1,m2,m3,m4}', ${uuids(3)}, ${uuids(3)}, 16)`;
const effects = {
  states: [
    { key: '7', state: 'AAAA' },
    { key: '8', state: null },
  ],
  gone: [{ process_key: '7' }, { process_key: '8', key: 'unpaid' }],
  set: [],
};
const leaving = (): string => `execute leave(0, 0, 0, 1, '{}', '${JSON.stringify(effects)}')`;

interface PlanNode {
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
  readonly Plans?: readonly PlanNode[];
}
/** Each counts what is below it; what changes rows and is read by nobody is below none. */
const mostPages = (node: PlanNode): number =>
  Math.max(node['Shared Hit Blocks'] + node['Shared Read Blocks'], ...(node.Plans ?? []).map(mostPages));

async function pagesOf(statement: string): Promise<number> {
  await client.query('begin');
  const { rows } = await client.query(`explain (analyze, buffers, format json) ${statement}`);
  await client.query('rollback');
  return mostPages(rows[0]['QUERY PLAN'][0].Plan);
}

/** Timers and states of processes `from` to `to`; half of all are due. */
async function fill(from: number, to: number): Promise<void> {
  const processes = `generate_series(${from}, ${to}) as n`;
  await feed.rows(`insert into cqrs.timer
      (id, process, process_key, key, method, request, accepts, due_at, event_id, correlation_id, traceparent)
    select gen_random_uuid(), 'payment', n::text, 'unpaid', 'm' || n % 5, '', '{}',
      now() + (n - ${MANY / 2}) * interval '1 minute', gen_random_uuid(), gen_random_uuid(), '' from ${processes}`);
  await feed.rows(`insert into cqrs.process_state select 'payment', n::text, '', now() from ${processes}`);
}

describe('statements about timers and processes', () => {
  it('touch few pages however many there are, also by plans that were made when there were hardly any', async () => {
    await client.query(`prepare claim(uuid, text[], text[], uuid[], uuid[], integer) as ${CLAIM}`);
    await client.query(`prepare leave(integer, bigint, bigint, bigint, bigint[], jsonb) as ${leave}`);
    await fill(1, 9);
    const expectFew = async (): Promise<void> => {
      for (const statement of [claim, leaving]) {
        // As it is after some executions: a plan for all parameters, which stays.
        await client.query('set plan_cache_mode = force_generic_plan');
        expect(await pagesOf(statement())).toBeLessThan(FEW);
        await client.query('set plan_cache_mode = force_custom_plan');
        expect(await pagesOf(statement())).toBeLessThan(FEW);
      }
    };
    await expectFew();
    await fill(10, MANY);
    await feed.happened([UserCreatedSchema, {}, randomUUID()] as Happened);
    await expectFew();
    await feed.rows('analyze cqrs.timer, cqrs.process_state');
    await expectFew();
  });
});
