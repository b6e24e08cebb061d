import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { UserCreatedSchema } from '#gen/users/v1/events_pb.js';
import { type ConnectionPool, createPool } from '../../../../src/kernel/database/pool.ts';
import { storeEvents } from '../../../kernel/feed/processors/feed-work.ts';
import { eventually } from '../../../support/eventually.ts';
import { type Repeated, repeated } from '../../../support/repeated.ts';
import { type Service, startService } from '../../../support/service.ts';
import { type SharedDatabase, startSharedDatabase } from '../../../support/shared-database.ts';
import { GIFT } from './welcome-gift.ts';

/** How many owners are killed. With FEED_KILLS=50 the test is a long one, and tells how long each takeover took. */
const KILLS = Number(process.env.FEED_KILLS ?? 4);
const IN_STOCK = 1_000_000;

const main = join(import.meta.dirname, '../reacting-main.ts');
const PROCESSOR = 'welcome_gift';
let shared: SharedDatabase;
let pool: ConnectionPool;
beforeAll(async () => {
  shared = await startSharedDatabase();
  pool = createPool(shared.database.connections.writer, { name: 'load', max: 2, readOnly: false });
});
afterAll(async () => {
  await pool.close();
  await shared.stop();
});

/** From then to the next thing that the reactor does anew, in milliseconds. What is answered again is no effect. */
async function stoodStill(since: string): Promise<number> {
  let gap = Number.NaN;
  await eventually(async () => {
    const { ms } = await shared.one<{ ms: number | null }>(
      `select (extract(epoch from min(received_at) - $1::timestamptz) * 1000)::integer as ms from cqrs.command_log
       where principal = 'reactor welcome_gift' and outcome = 'succeeded' and received_at > $1::timestamptz`,
      since,
    );
    expect(ms).not.toBeNull();
    gap = ms ?? Number.NaN;
  });
  return gap;
}

/** Users come in as long as not too many wait for their gift: there is always something to do, and it has an end. */
function usersComing(): Repeated {
  return repeated(2, async () => {
    const { wait } = await shared.one<{ wait: number | null }>(
      `select (max(last_sequence) - min(checkpoint))::integer as wait from cqrs.processor, cqrs.sequencer where kind = 'reactor'`,
    );
    if ((wait ?? 0) < 100) await storeEvents(pool, [[UserCreatedSchema, {}, randomUUID()]]);
    await sleep(Math.random() * 20);
  });
}

describe('instances whose owner of a reactor is gone', () => {
  it('take over, and each event has its effect once, whether the owner was killed or stopped and woke up again', async () => {
    const start = () => startService({ env: shared.env, main });
    const instances = [await start(), ...(await Promise.all([start(), start()]))];
    await shared.database.query(`insert into orders.product values ($1, 'Tea', 0)`, [GIFT]);
    await shared.database.query('insert into orders.stock values ($1, $2, 1)', [GIFT, IN_STOCK]);
    const starting: Promise<unknown>[] = [];
    const gaps: number[] = [];
    try {
      await using load = usersComing();
      await stoodStill(await shared.clock());
      for (let kill = 0; kill < KILLS; kill += 1) {
        const pid = await shared.ownerPid(PROCESSOR);
        const owner = instances.find((instance) => instance.pid === pid) as Service;
        const since = await shared.clock();
        if (kill % 4 === 1) {
          // It may hold what the others wait for: it wakes when another one has what was its own.
          process.kill(pid, 'SIGSTOP');
          await eventually(async () => expect(await shared.ownerPid(PROCESSOR)).not.toBe(pid)).finally(() =>
            process.kill(pid, 'SIGCONT'),
          );
          await stoodStill(since);
        } else {
          await owner.kill();
          instances.splice(instances.indexOf(owner), 1);
          starting.push(start().then((instance) => instances.push(instance)));
          gaps.push(await stoodStill(since));
        }
        // The next is killed at any moment of its work, and two are there.
        await sleep(Math.random() * 300);
        await eventually(() => expect(instances.length).toBeGreaterThan(1));
        await eventually(async () =>
          expect(instances.map((instance) => instance.pid)).toContain(await shared.ownerPid(PROCESSOR)),
        );
      }
      await load[Symbol.asyncDispose]();
      expect(load.failures).toEqual([]);
      await eventually(async () => {
        const { left } = await shared.one<{ left: number }>(
          `select ((select count(*) from cqrs.event) - (select count(*) from cqrs.feed)
             + (select sum(last_sequence - checkpoint) from cqrs.processor, cqrs.sequencer where kind = 'reactor'))::integer as left`,
        );
        expect(left).toBe(0);
      });
    } finally {
      await Promise.all(starting);
      await Promise.all(instances.map((instance) => instance.stop()));
    }

    const { users } = await shared.one<{ users: number }>(
      `select count(*)::integer as users from cqrs.event where type = 'users.v1.UserCreated'`,
    );
    // By what is there: one order for each user, each with one thing more, and so much less in stock.
    expect(
      await shared.one(
        `select count(*)::integer as orders, count(distinct customer)::integer as customers,
           (select count(*) from orders.order_line)::integer as lines,
           (select ${IN_STOCK} - available from orders.stock where product_id = $1) as taken from orders."order"`,
        GIFT,
      ),
    ).toEqual({ orders: users, customers: users, lines: 2 * users, taken: 2 * users });
    // By what is on record: each event caused one command that was done; those that came again were answered as before.
    expect(
      await shared.database.query(
        `select principal, count(*)::integer as commands, count(distinct causation_id)::integer as events from cqrs.command_log
         where principal like 'reactor %' and outcome = 'succeeded' group by principal order by principal`,
      ),
    ).toEqual([
      { principal: 'reactor thank_you', commands: users, events: users },
      { principal: 'reactor welcome_gift', commands: users, events: users },
    ]);
    expect(await shared.database.query('select from cqrs.dead_letter')).toEqual([]);
    if (process.env.FEED_KILLS !== undefined) {
      const { again } = await shared.one<{ again: number }>(
        `select count(*)::integer as again from cqrs.command_log where principal like 'reactor %' and outcome = 'replayed'`,
      );
      process.stdout.write(
        `${users} events, ${again} answered again; stood still, in ms: ${gaps.toSorted((a, b) => a - b).join(' ')}\n`,
      );
    }
  });
});
