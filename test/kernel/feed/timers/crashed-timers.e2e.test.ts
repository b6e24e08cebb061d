import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { UserCreatedSchema } from '#gen/users/v1/events_pb.js';
import { connectTo } from '../../../e2e/acknowledged-commands.ts';
import { StockTakenSchema } from '../../../gen/orders/v1/events_pb.js';
import { eventually } from '../../../support/eventually.ts';
import { processesIn, signalAll } from '../../../support/processes.ts';
import { type Service, startService } from '../../../support/service.ts';
import { temporaryDataDir } from '../../../support/temporary-data-dir.ts';
import { type Happened, storeEvents } from '../processors/feed-work.ts';
import { groupOf, PRODUCTS } from './later-orders.ts';

const USERS = 150;
const IN_STOCK = 1_000_000;

const main = join(import.meta.dirname, 'timers-main.ts');
const dataDir = temporaryDataDir();
let service: Service;
const users: string[] = [];

beforeAll(async () => {
  service = await startService({ dataDir: dataDir.path, main });
  await using database = await connectTo(dataDir.path);
  await database.query(`insert into orders.product select unnest($1::uuid[]), 'Tea', 0`, [PRODUCTS]);
  await database.query('insert into orders.stock select unnest($1::uuid[]), $2, 1', [PRODUCTS, IN_STOCK]);
});
afterAll(async () => {
  await service?.stop();
  signalAll(processesIn(dataDir.path), 'SIGKILL');
  await dataDir[Symbol.asyncDispose]();
});

interface Counts {
  readonly orders: number;
  readonly customers: number;
  readonly taken: number;
  readonly timers: number;
}
async function counts(): Promise<Counts | undefined> {
  await using database = await connectTo(dataDir.path);
  const { rows } = await database.query<Counts>(
    `select count(*)::integer as orders, count(distinct customer)::integer as customers,
       (select sum(${IN_STOCK} - available)::integer from orders.stock where product_id = any($1::uuid[])) as taken,
       (select count(*) from cqrs.timer)::integer as timers from orders."order"`,
    [PRODUCTS],
  );
  return rows[0];
}

describe('timers of a machine that loses its power', () => {
  it.each([1, 2, 3])(
    'are fired once each when it is back, and their processes remember what the events say, round %i',
    async () => {
      const before = (await counts())?.orders ?? 0;
      {
        await using database = await connectTo(dataDir.path);
        const coming = Array.from({ length: USERS }, () => randomUUID());
        await storeEvents(
          database,
          coming.map((id): Happened => [UserCreatedSchema, {}, id]),
        );
        users.push(...coming);
      }
      await eventually(async () => expect((await counts())?.orders).toBeGreaterThan(before));
      await sleep(Math.random() * 1_000);
      const all = processesIn(dataDir.path);
      const died = service.kill();
      signalAll(all, 'SIGKILL');
      await died;

      service = await startService({ dataDir: dataDir.path, main });
      const { length } = users;
      await eventually(async () =>
        expect(await counts()).toEqual({ orders: length, customers: length, taken: length, timers: 0 }),
      );
      await using database = await connectTo(dataDir.path);
      const { rows: states } = await database.query<{ key: string; state: Buffer }>('select key, state from cqrs.process_state');
      const expected: Record<string, number> = {};
      for (const id of users) expected[groupOf(id)] = (expected[groupOf(id)] ?? 0) + 1;
      expect(Object.fromEntries(states.map(({ key, state }) => [key, fromBinary(StockTakenSchema, state).quantity]))).toEqual(
        expected,
      );
    },
  );
});
