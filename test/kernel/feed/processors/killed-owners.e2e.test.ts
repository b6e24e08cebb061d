import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import {
  UserCreatedSchema,
  UserDeletedSchema,
  UserLoggedInSchema,
  UserReactivatedSchema,
  UserSuspendedSchema,
} from '#gen/users/v1/events_pb.js';
import { eventually } from '../../../support/eventually.ts';
import { PATIENCE } from '../../../support/patience.ts';
import { type Service, startService } from '../../../support/service.ts';
import { type SharedDatabase, startSharedDatabase } from '../../../support/shared-database.ts';
import { type Happened, storeEvents } from './feed-work.ts';

/** How many owners are killed. With FEED_KILLS=50 the test is a long one, and tells how long each takeover took. */
const KILLS = Number(process.env.FEED_KILLS ?? 4);

const PROCESSOR = 'user_statistics';
let shared: SharedDatabase;
beforeAll(async () => {
  shared = await startSharedDatabase();
  // When the projection moved, by the clock of the database.
  await shared.database.query(`create table read.move (at timestamptz not null default clock_timestamp(), checkpoint bigint);
    create function read.note_move() returns trigger language plpgsql security definer as $$
      begin insert into read.move (checkpoint) values (new.checkpoint); return null; end $$;
    create trigger note_move after update on cqrs.processor
      for each row when (new.checkpoint > old.checkpoint) execute function read.note_move()`);
});
afterAll(async () => {
  await shared.stop();
});

/** From then to the next move of the projection, in milliseconds. */
async function stoodStill(since: string): Promise<number> {
  let gap = Number.NaN;
  await eventually(async () => {
    const { ms } = await shared.one<{ ms: number | null }>(
      'select (extract(epoch from min(at) - $1::timestamptz) * 1000)::integer as ms from read.move where at > $1::timestamptz',
      since,
    );
    expect(ms).not.toBeNull();
    gap = ms ?? Number.NaN;
  });
  return gap;
}

/** Stores histories of users until it is stopped, a part of them in transactions that are rolled back. */
function startLoad(): { stop: () => Promise<void> } {
  const pool = new pg.Pool({ ...shared.database.connections.writer, max: 3 });
  let goesOn = true;
  const work = async (): Promise<void> => {
    while (goesOn) {
      const client = await pool.connect();
      try {
        await client.query('begin');
        await storeEvents(client, history());
        await sleep(Math.random() * 20);
        await client.query(Math.random() < 0.05 ? 'rollback' : 'commit');
      } finally {
        client.release();
      }
    }
  };
  const working = Promise.all([work(), work(), work()]);
  return {
    stop: async () => {
      goesOn = false;
      await working;
      await pool.end();
    },
  };
}

function history(): Happened[] {
  const id = randomUUID();
  const happened: Happened[] = [
    [UserCreatedSchema, {}, id],
    [UserLoggedInSchema, {}, id],
  ];
  if (Math.random() < 0.5) happened.push([UserSuspendedSchema, {}, id]);
  if (happened.length > 2 && Math.random() < 0.5) happened.push([UserReactivatedSchema, {}, id], [UserLoggedInSchema, {}, id]);
  if (Math.random() < 0.3) happened.push([UserDeletedSchema, {}, id]);
  return happened;
}

describe('instances whose owner of a projection is gone', () => {
  it('take over, and every event is counted once, whether it was killed or stopped and woke up again', async () => {
    const instances = await Promise.all([
      startService({ env: shared.env }),
      startService({ env: shared.env }),
      startService({ env: shared.env }),
    ]);
    const starting: Promise<unknown>[] = [];
    const load = startLoad();
    const gaps: number[] = [];
    try {
      await eventually(async () => expect(await shared.database.query('select from read.move limit 1')).toHaveLength(1));
      for (let kill = 0; kill < KILLS; kill += 1) {
        const pid = await shared.ownerPid(PROCESSOR);
        const owner = instances.find((instance) => instance.pid === pid) as Service;
        const since = await shared.clock();
        if (kill % 4 === 1) process.kill(pid, 'SIGSTOP');
        else {
          await owner.kill();
          instances.splice(instances.indexOf(owner), 1);
          starting.push(startService({ env: shared.env }).then((instance) => instances.push(instance)));
        }
        gaps.push(await stoodStill(since));
        await eventually(async () => expect(await shared.ownerPid(PROCESSOR)).not.toBe(pid));
        if (instances.includes(owner)) process.kill(pid, 'SIGCONT');
        // The next is killed at any moment of its work, and two are there.
        await sleep(Math.random() * 300);
        await eventually(() => expect(instances.length).toBeGreaterThan(1));
      }
    } finally {
      await load.stop();
      await Promise.all(starting);
    }
    try {
      await eventually(async () => {
        const { events, checkpoint } = await shared.one<{ events: string; checkpoint: string }>(
          `select (select count(*) from cqrs.event) as events, checkpoint from cqrs.processor where name = 'user_statistics'`,
        );
        expect(checkpoint).toBe(events);
      });
    } finally {
      await Promise.all(instances.map((instance) => instance.stop()));
    }

    // What the events say, each of which has one number.
    expect(await shared.one('select count(*)::integer as n, max(sequence)::integer as last from cqrs.feed')).toEqual(
      await shared.one('select count(*)::integer as n, count(*)::integer as last from cqrs.event'),
    );
    const counted = 'select status, users::integer from read.user_count where users <> 0 order by status';
    const last = `select distinct on (aggregate_id) case type when 'users.v1.UserSuspended' then 'suspended'
      when 'users.v1.UserDeleted' then 'deleted' else 'active' end as status
      from cqrs.event where type <> 'users.v1.UserLoggedIn' order by aggregate_id, position desc`;
    expect(await shared.database.query(counted)).toEqual(
      await shared.database.query(
        `select status, count(*)::integer as users from (${last}) as last group by status order by status`,
      ),
    );
    expect(
      await shared.one('select sum(sign_ups)::integer as sign_ups, sum(log_ins)::integer as log_ins from read.user_day'),
    ).toEqual(
      await shared.one(`select count(*) filter (where type = 'users.v1.UserCreated')::integer as sign_ups,
        count(*) filter (where type = 'users.v1.UserLoggedIn')::integer as log_ins from cqrs.event`),
    );
    expect(await shared.database.query('select from cqrs.dead_letter')).toEqual([]);
    expect(Math.max(...gaps)).toBeLessThan(PATIENCE);
    if (process.env.FEED_KILLS !== undefined)
      process.stdout.write(`stood still, in ms: ${gaps.toSorted((a, b) => a - b).join(' ')}\n`);
  });
});
