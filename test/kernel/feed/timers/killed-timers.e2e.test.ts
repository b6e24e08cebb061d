import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { UserCreatedSchema } from '#gen/users/v1/events_pb.js';
import type { EmbeddedCluster } from '../../../../src/embedded-postgres/embedded-cluster.ts';
import { startEmbeddedCluster } from '../../../../src/embedded-postgres/start-embedded-cluster.ts';
import { loadOrCreateSigningKey } from '../../../../src/kernel/auth/key-files.ts';
import { type ConnectionPool, createPool } from '../../../../src/kernel/database/pool.ts';
import { StockTakenSchema } from '../../../gen/orders/v1/events_pb.js';
import { createTestDatabase, type TestDatabase, urlOf } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';
import { type Service, startService } from '../../../support/service.ts';
import { temporaryDataDir } from '../../../support/temporary-data-dir.ts';
import { type Happened, storeEvents } from '../processors/feed-work.ts';
import { groupOf, PRODUCTS } from './later-orders.ts';

/** How many timers there are. With TIMERS=10000 the test is a long one, and tells how it went. */
const TIMERS = Number(process.env.TIMERS ?? 600);
/** From one kill to the next, in milliseconds, at most. */
const PACE = 2_000;
const IN_STOCK = 1_000_000;

const main = join(import.meta.dirname, 'timers-main.ts');
const dataDir = temporaryDataDir();
let cluster: EmbeddedCluster;
let database: TestDatabase;
let pool: ConnectionPool;
let keys: string;
let env: Record<string, string>;
beforeAll(async () => {
  cluster = await startEmbeddedCluster({ dataDir: dataDir.path, settings: { fsync: 'off' } });
  database = await createTestDatabase(cluster.connections);
  keys = await mkdtemp(join(tmpdir(), 'bicameral-keys-'));
  await loadOrCreateSigningKey(join(keys, 'key.pem'));
  const { owner, writer, replicas } = database.connections;
  pool = createPool(writer, { name: 'load', max: 2, readOnly: false });
  env = {
    DATABASE_URL: urlOf(writer),
    DATABASE_OWNER_URL: urlOf(owner),
    DATABASE_REPLICA_URLS: replicas.map(urlOf).join(),
    AUTH_SIGNING_KEY_FILE: join(keys, 'key.pem'),
    METRICS_ADDRESS: '127.0.0.1:0',
  };
});
afterAll(async () => {
  await pool.close();
  await database.drop();
  await cluster.stop();
  await rm(keys, { recursive: true });
  await dataDir[Symbol.asyncDispose]();
});

const one = async <Row extends pg.QueryResultRow>(text: string, ...values: unknown[]): Promise<Row> => {
  const [row] = await database.query<Row>(text, values);
  if (!row) throw new Error(`no row: ${text}`);
  return row;
};

const progress = (): Promise<{ orders: number; waiting: number }> =>
  one('select (select count(*) from orders."order")::integer as orders, (select count(*) from cqrs.timer)::integer as waiting');

/** Users come in until there are enough. */
async function usersComing(users: readonly string[]): Promise<void> {
  for (let index = 0; index < users.length; index += 20) {
    await storeEvents(
      pool,
      users.slice(index, index + 20).map((id): Happened => [UserCreatedSchema, {}, id]),
    );
    await sleep(Math.random() * 20);
  }
}

describe('timers over two instances that are killed at random', () => {
  it('are fired once each, and what their processes remember is what the events say', async () => {
    const start = () => startService({ env, main });
    const instances = [await start(), await start()];
    await database.query(`insert into orders.product select unnest($1::uuid[]), 'Tea', 0`, [PRODUCTS]);
    await database.query('insert into orders.stock select unnest($1::uuid[]), $2, 1', [PRODUCTS, IN_STOCK]);
    const users = Array.from({ length: TIMERS }, () => randomUUID());
    const coming = usersComing(users);
    let kills = 0;
    try {
      for (;;) {
        await sleep(Math.random() * PACE);
        const { orders } = await progress();
        // So that at least two are killed before the end, and the end is reached.
        if (orders >= TIMERS * 0.9 && kills >= 2) break;
        const [victim] = instances.splice(Math.floor(Math.random() * instances.length), 1) as [Service];
        if (kills % 3 === 1) {
          // It is thought gone, and wakes up in the middle of what others have done meanwhile.
          process.kill(victim.pid, 'SIGSTOP');
          await sleep(2_500);
          process.kill(victim.pid, 'SIGCONT');
          instances.push(victim);
        } else {
          await victim.kill();
          instances.push(await start());
        }
        kills += 1;
      }
      await coming;
      await eventually(async () => expect(await progress()).toEqual({ orders: TIMERS, waiting: 0 }));
    } finally {
      await Promise.all(instances.map((instance) => instance.stop()));
    }

    // By what is there: one order for each user, and so much less in stock.
    expect(
      await one(
        `select count(*)::integer as orders, count(distinct customer)::integer as customers,
           (select sum(${IN_STOCK} - available)::integer from orders.stock where product_id = any($1::uuid[])) as taken from orders."order"`,
        PRODUCTS,
      ),
    ).toEqual({ orders: TIMERS, customers: TIMERS, taken: TIMERS });
    // By what is on record.
    expect(
      await one(
        `select count(*)::integer as commands, count(distinct causation_id)::integer as events from cqrs.command_log
         where principal = 'reactor later_orders' and outcome = 'succeeded'`,
      ),
    ).toEqual({ commands: TIMERS, events: TIMERS });
    // By what the processes remember.
    const states = await database.query<{ key: string; state: Buffer }>(
      `select key, state from cqrs.process_state where process = 'later_orders'`,
    );
    const counted = Object.fromEntries(states.map(({ key, state }) => [key, fromBinary(StockTakenSchema, state).quantity]));
    const expected: Record<string, number> = {};
    for (const id of users) expected[groupOf(id)] = (expected[groupOf(id)] ?? 0) + 1;
    expect(counted).toEqual(expected);
    expect(await database.query('select from cqrs.dead_letter')).toEqual([]);
    if (process.env.TIMERS !== undefined) {
      const { again } = await one<{ again: number }>(
        `select count(*)::integer as again from cqrs.command_log where principal = 'reactor later_orders' and outcome = 'replayed'`,
      );
      process.stdout.write(`${TIMERS} timers, ${kills} times killed or stopped, ${again} answered again\n`);
    }
  });
});
