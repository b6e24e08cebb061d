import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { UserCreatedSchema, UserDeletedSchema, UserNameChangedSchema } from '#gen/users/v1/events_pb.js';
import type { FeedHandler } from '../../../../src/kernel/feed/processors/feed-handler.ts';
import { projectionHandler } from '../../../../src/kernel/feed/processors/projection-handler.ts';
import { type Projection, projection } from '../../../../src/kernel/feed/projection.ts';
import { eventually } from '../../../support/eventually.ts';
import { type FeedWork, type Happened, startFeedWork } from './feed-work.ts';

/** Says what happened to whom, in order; and fails of names that are too long. */
const told = projection({
  name: 'told',
  events: [UserCreatedSchema, UserNameChangedSchema],
  tables: { told: 'read.told' },
  statements: ({ told }) => ({
    told: `insert into ${told} (id, names)
      select aggregate_id, array_agg(data ->> 'name' order by position) from events group by aggregate_id
      on conflict (id) do update set names = told.names || excluded.names`,
  }),
});

/** How many events there were; nothing of them leaves the database. */
const counted = projection({
  name: 'counted',
  events: [UserCreatedSchema, UserNameChangedSchema],
  tables: { counted: 'read.counted' },
  data: false,
  statements: ({ counted }) => ({
    counted: `insert into ${counted} as row (type, number) select type, count(*) from events group by type
      on conflict (type) do update set number = row.number + excluded.number`,
  }),
});

const TABLES = `create table read.told (id uuid primary key, names text[] check (not 'poison' = any(names)));
  create table read.counted (type text primary key, number bigint);
  grant select, insert, update, delete on read.told, read.counted to bicameral_writer`;

const created = (id: string, name: string): Happened => [UserCreatedSchema, { name, email: 'ada@example.com' }, id] as Happened;
const renamed = (id: string, name: string): Happened => [UserNameChangedSchema, { name }, id] as Happened;
const deleted = (id: string): Happened => [UserDeletedSchema, {}, id];

let feed: FeedWork;
beforeEach(async () => {
  feed = await startFeedWork(TABLES);
});
afterEach(async () => feed[Symbol.asyncDispose]());

const namesOf = async (id: string): Promise<string[] | undefined> =>
  (await feed.rows<{ names: string[] }>('select names from read.told where id = $1', id))[0]?.names;
const checkpoint = async (name: string): Promise<number[]> =>
  (await feed.rows<{ checkpoint: string }>('select checkpoint from cqrs.processor where name = $1 order by partition', name)).map(
    (row) => Number(row.checkpoint),
  );
const caughtUp = (name: string, last: number): Promise<void> =>
  eventually(async () => expect((await checkpoint(name)).every((place) => place === last)).toBe(true));

describe('an async projection', () => {
  it('folds what was there before it, in order, and then what comes', async () => {
    const [ada, grace] = [randomUUID(), randomUUID()];
    await feed.happened(created(ada, 'Ada'), renamed(ada, 'Ada L'), created(grace, 'Grace'));
    await feed.start(projectionHandler(told), projectionHandler(counted));
    await eventually(async () => expect(await namesOf(ada)).toEqual(['Ada', 'Ada L']));
    const last = await feed.happened(renamed(ada, 'Augusta'), deleted(grace), renamed(ada, 'Lady'));
    await caughtUp('told', last);
    await caughtUp('counted', last);
    expect(await namesOf(ada)).toEqual(['Ada', 'Ada L', 'Augusta', 'Lady']);
    expect(await namesOf(grace)).toEqual(['Grace']);
    expect(await feed.rows('select type, number::integer from read.counted order by type')).toEqual([
      { type: 'users.v1.UserCreated', number: 2 },
      { type: 'users.v1.UserNameChanged', number: 3 },
    ]);
  });
});
