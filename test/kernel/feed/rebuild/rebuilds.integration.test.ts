import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { UserCreatedSchema, UserDeletedSchema, UserNameChangedSchema } from '#gen/users/v1/events_pb.js';
import { projectionHandler } from '../../../../src/kernel/feed/processors/projection-handler.ts';
import { projection } from '../../../../src/kernel/feed/projection.ts';
import { eventually } from '../../../support/eventually.ts';
import { type FeedWork, type Happened, startFeedWork } from '../processors/feed-work.ts';
import { ask, asModule, jobOf, over, startRebuilder, tablesBeside } from './rebuild-work.ts';

/** Says what happened to whom, in order; and fails of names that are poisonous just then. */
const told = projection({
  name: 'told',
  events: [UserCreatedSchema, UserNameChangedSchema],
  tables: { told: 'read.told' },
  statements: ({ told }) => ({
    told: `insert into ${told} (id, names)
      select aggregate_id, array_agg(data ->> 'name' order by position) from events
      where 1 / (1 - (select count(*) from read.poison where name = data ->> 'name')) = 1
      group by aggregate_id
      on conflict (id) do update set names = told.names || excluded.names`,
  }),
});
const parted = { ...told, name: 'told', partitions: 3 };

/** How many events there were of a type, on how many aggregates; nothing of them leaves the database. */
const counted = projection({
  name: 'counted',
  events: [UserCreatedSchema, UserNameChangedSchema],
  tables: { counted: 'read.counted', seen: 'read.seen' },
  data: false,
  statements: ({ counted, seen }) => ({
    counted: `insert into ${counted} as row (type, number) select type, count(*) from events group by type
      on conflict (type) do update set number = row.number + excluded.number`,
    seen: `insert into ${seen} (type, id) select type, aggregate_id from events on conflict do nothing`,
  }),
});

const TABLES = `create table read.told (id uuid primary key, names text[]);
  create table read.poison (name text primary key);
  create table read.counted (type text primary key, number bigint);
  create table read.seen (type text, id uuid, primary key (type, id));
  grant select, insert, update, delete on read.poison, read.told, read.counted, read.seen to bicameral_writer`;

const created = (id: string, name: string): Happened => [UserCreatedSchema, { name, email: 'ada@example.com' }, id] as Happened;
const renamed = (id: string, name: string): Happened => [UserNameChangedSchema, { name }, id] as Happened;
const deleted = (id: string): Happened => [UserDeletedSchema, {}, id];

let feed: FeedWork;
let stack: AsyncDisposableStack;
beforeEach(async () => {
  stack = new AsyncDisposableStack();
  feed = stack.use(await startFeedWork(TABLES));
  // Tables of the owner, as migrations make them.
  for (const table of ['told', 'counted', 'seen'])
    await feed.rows(`alter table read.${table} owner to ${feed.database.connections.owner.user}`);
});
afterEach(() => stack.disposeAsync());

const all = async (table: string): Promise<unknown[]> => feed.rows(`select * from read.${table} as row order by row::text`);
const caughtUp = (name: string, last: number): Promise<void> =>
  eventually(async () => {
    const rows = await feed.rows<{ checkpoint: string }>('select checkpoint from cqrs.processor where name = $1', name);
    expect(rows.map(({ checkpoint }) => Number(checkpoint))).toEqual(rows.map(() => last));
  });
/** Somebody reads all tables for long: nothing is swapped until they are let go. */
async function swapsAreHeldUp(): Promise<() => Promise<void>> {
  const reader = await feed.pool.connect();
  await reader.query('begin; select from read.told, read.counted, read.seen');
  return async () => {
    await reader.query('commit');
    reader.release();
  };
}
const people = (count: number): string[] => Array.from({ length: count }, () => randomUUID());
const story = (ids: readonly string[]): Happened[] =>
  ids.flatMap((id, index) => [created(id, `Ada ${index}`), deleted(id), renamed(id, 'Augusta')]);

describe('a rebuild', () => {
  it.each([
    ['whose events are decoded', told, ['told']],
    ['whose events never leave the database', counted, ['counted', 'seen']],
  ])('of a projection %s puts right what was changed, removed and added', async (_, projection, tables) => {
    const ids = people(40);
    const last = await feed.happened(...story(ids));
    await feed.start(projectionHandler(projection));
    await caughtUp(projection.name, last);
    const right = await Promise.all(tables.map(all));
    await feed.rows('update read.told set names = array_append(names, $1) where id = $2', 'forged', ids[0]);
    await feed.rows('delete from read.told where id = $1', ids[1]);
    await feed.rows(`insert into read.told values (gen_random_uuid(), '{}')`);
    await feed.rows('update read.counted set number = number + 1');
    await feed.rows(`insert into read.seen values ('forged', gen_random_uuid())`);
    await feed.rows('delete from read.seen where id = $1', ids[1]);
    expect(await Promise.all(tables.map(all))).not.toEqual(right);

    stack.use(await startRebuilder(feed, asModule(told, counted)));
    expect(await over(feed, await ask(feed, projection.name))).toMatchObject({
      state: 'done',
      error: null,
      place: last,
      done: last,
      total: last,
    });
    expect(await Promise.all(tables.map(all))).toEqual(right);
    expect(await tablesBeside(feed)).toEqual([]);
    // The processor goes on with the new tables.
    const more = await feed.happened(created(randomUUID(), 'Grace'));
    await caughtUp(projection.name, more);
    expect(await over(feed, await ask(feed, projection.name, true))).toMatchObject({
      state: 'done',
      differences: [],
      difference_count: 0,
    });
  });

  it('goes on after the last event that was folded when its instance is gone', async () => {
    const last = await feed.happened(...story(people(2_000)));
    await feed.start(projectionHandler(counted));
    await caughtUp('counted', last);
    const right = await all('counted');
    await feed.rows('truncate read.counted');
    const first = await startRebuilder(feed, asModule(counted));
    const release = await swapsAreHeldUp();
    const id = await ask(feed, 'counted');
    await eventually(async () => expect((await jobOf(feed, id)).done).toBeGreaterThan(0));
    await first.abandon();
    const stopped = await jobOf(feed, id);
    stack.use(await startRebuilder(feed, asModule(counted)));
    await eventually(() => expect(feed.log()).toContain('a rebuild goes on'));
    await release();
    expect(await over(feed, id)).toMatchObject({ state: 'done', place: last });
    expect(stopped.done).toBeGreaterThan(0);
    expect(await all('counted')).toEqual(right);
  });

  it('leaves out events that are dead letters, and those stay; what was handled meanwhile is in it', async () => {
    const [ada, grace, hedy] = people(3) as [string, string, string];
    await feed.rows(`insert into read.poison values ('poison')`);
    await feed.happened(created(ada, 'Ada'), renamed(grace, 'poison'), renamed(ada, 'Augusta'), renamed(hedy, 'poison'));
    const last = await feed.happened(renamed(grace, 'Grace'), created(hedy, 'Hedy'));
    await feed.start(projectionHandler(told));
    await caughtUp('told', last);
    const letters = () => feed.rows<{ sequence: number }>('select sequence::integer from cqrs.dead_letter order by sequence');
    expect(await letters()).toEqual([2, 4, 5, 6].map((sequence) => ({ sequence })));

    const release = await swapsAreHeldUp();
    stack.use(await startRebuilder(feed, asModule(told)));
    const id = await ask(feed, 'told');
    await eventually(async () => expect(await jobOf(feed, id)).toMatchObject({ step: 'catching up' }));
    await feed.rows('delete from read.poison');
    await feed.rows('update cqrs.dead_letter set retry = true where sequence = 2');
    await eventually(async () => expect(await letters()).toEqual([4, 6].map((sequence) => ({ sequence }))));
    const right = await all('told');
    expect(right).toHaveLength(2);
    await release();
    expect(await over(feed, id)).toMatchObject({ state: 'done', error: null });
    expect(await all('told')).toEqual(right);
    expect(await letters()).toEqual([4, 6].map((sequence) => ({ sequence })));
  });

  it('brings each partition as far as its processor is, one that is paused too', async () => {
    const ids = people(60);
    const first = await feed.happened(...story(ids.slice(0, 30)));
    await feed.start(projectionHandler(parted));
    await caughtUp('told', first);
    await feed.rows('update cqrs.processor set paused = true where partition = 1');
    const last = await feed.happened(...story(ids));
    const checkpoints = async () =>
      (await feed.rows<{ checkpoint: string }>(`select checkpoint from cqrs.processor order by partition`)).map((row) =>
        Number(row.checkpoint),
      );
    await eventually(async () => expect(await checkpoints()).toEqual([last, first, last]));
    const right = await all('told');
    await feed.rows('delete from read.told where id = any($1)', ids.slice(20, 50));
    stack.use(await startRebuilder(feed, asModule(parted)));
    expect(await over(feed, await ask(feed, 'told'))).toMatchObject({ state: 'done', error: null });
    expect(await all('told')).toEqual(right);
    expect(await over(feed, await ask(feed, 'told', true))).toMatchObject({ state: 'done', differences: [] });
    await feed.rows('update cqrs.processor set paused = false');
    await caughtUp('told', last);
    expect(await over(feed, await ask(feed, 'told', true))).toMatchObject({ state: 'done', differences: [] });
  });

  it('fails with the event that cannot be folded, without its values, and leaves the old tables', async () => {
    const ids = people(700);
    const last = await feed.happened(...story(ids), renamed(ids[0] ?? '', 'secret'), ...story(ids));
    await feed.start(projectionHandler(told));
    await caughtUp('told', last);
    const right = await all('told');
    await feed.rows(`insert into read.poison values ('secret')`);
    stack.use(await startRebuilder(feed, asModule(told, counted)));
    expect(await over(feed, await ask(feed, 'told'))).toMatchObject({
      state: 'failed',
      error: 'event 2101 (users.v1.UserNameChanged): SQLSTATE 22012: a value does not fit',
    });
    await eventually(async () => expect(await tablesBeside(feed)).toEqual([]));
    expect(await all('told')).toEqual(right);
    expect(feed.log()).not.toContain('secret');
  });

  it('fails where a table cannot be made anew, and says why', async () => {
    await feed.start(projectionHandler(counted));
    await feed.rows('create view read.seeing as select id from read.seen');
    stack.use(await startRebuilder(feed, asModule(counted)));
    expect(await over(feed, await ask(feed, 'counted'))).toMatchObject({
      state: 'failed',
      error: 'read.seen cannot be rebuilt: it is read by a view, a rule or a function',
    });
  });

  it('leaves nothing when it is cancelled, and can be asked for again', async () => {
    const last = await feed.happened(...story(people(10)));
    await feed.start(projectionHandler(counted));
    await caughtUp('counted', last);
    const right = await all('counted');
    const release = await swapsAreHeldUp();
    stack.use(await startRebuilder(feed, asModule(counted)));
    const id = await ask(feed, 'counted');
    await eventually(async () => expect(await tablesBeside(feed)).toHaveLength(2));
    await feed.rows(`update cqrs.rebuild set state = 'cancelled', finished_at = now() where id = $1`, id);
    await eventually(async () => expect(await tablesBeside(feed)).toEqual([]));
    await release();
    expect(await over(feed, await ask(feed, 'counted'))).toMatchObject({ state: 'done' });
    expect(await jobOf(feed, id)).toMatchObject({ state: 'cancelled' });
    expect(await all('counted')).toEqual(right);
  });

  it('is made by one of several instances, one after the other', async () => {
    const last = await feed.happened(...story(people(50)));
    await feed.start(projectionHandler(told), projectionHandler(counted));
    await caughtUp('told', last);
    await caughtUp('counted', last);
    for (let count = 0; count < 3; count += 1) stack.use(await startRebuilder(feed, asModule(told, counted)));
    const jobs = await Promise.all([ask(feed, 'told'), ask(feed, 'counted')]);
    for (const id of jobs) expect(await over(feed, id)).toMatchObject({ state: 'done' });
    expect(feed.log().match(/a rebuild begins/g)).toHaveLength(2);
    expect(feed.log().match(/a projection was rebuilt/g)).toHaveLength(2);
  });

  it('begins anew where the projection reads otherwise than when it was begun', async () => {
    const last = await feed.happened(...story(people(10)));
    await feed.start(projectionHandler(counted));
    await caughtUp('counted', last);
    const right = await all('counted');
    const release = await swapsAreHeldUp();
    const first = await startRebuilder(feed, asModule({ ...counted, events: [UserCreatedSchema] }));
    const id = await ask(feed, 'counted');
    await eventually(async () => expect(await jobOf(feed, id)).toMatchObject({ step: 'catching up' }));
    await first.abandon();
    stack.use(await startRebuilder(feed, asModule(counted)));
    await eventually(() => expect(feed.log().match(/a rebuild begins/g)).toHaveLength(2));
    await release();
    expect(await over(feed, id)).toMatchObject({ state: 'done', place: last });
    expect(await all('counted')).toEqual(right);
  });
});

describe('a verification', () => {
  it('finds what was changed, removed and added, and tells no values', async () => {
    const ids = people(3) as [string, string, string];
    const last = await feed.happened(...story(ids));
    await feed.start(projectionHandler(told), projectionHandler(counted));
    await caughtUp('told', last);
    await caughtUp('counted', last);
    const surplus = randomUUID();
    await feed.rows(`update read.told set names = '{secret}' where id = $1`, ids[0]);
    await feed.rows('delete from read.told where id = $1', ids[1]);
    await feed.rows(`insert into read.told values ($1, '{secret}')`, surplus);
    await feed.rows(`insert into read.seen values ('forged', $1)`, surplus);
    const before = await Promise.all(['told', 'counted', 'seen'].map(all));
    stack.use(await startRebuilder(feed, asModule(told, counted)));
    const job = await over(feed, await ask(feed, 'told', true));
    const difference = (key: string, kind: string, columns: string[] = []) => ({ table: 'read.told', key, kind, columns });
    expect(job).toMatchObject({ state: 'done', difference_count: 3 });
    expect(job.differences?.toSorted((a, b) => (a.kind < b.kind ? -1 : 1))).toEqual([
      difference(ids[0], 'changed', ['names']),
      difference(ids[1], 'missing'),
      difference(surplus, 'surplus'),
    ]);
    expect(await over(feed, await ask(feed, 'counted', true))).toMatchObject({
      difference_count: 1,
      differences: [{ table: 'read.seen', key: `forged, ${surplus}`, kind: 'surplus', columns: [] }],
    });
    expect(await Promise.all(['told', 'counted', 'seen'].map(all))).toEqual(before);
    expect(await tablesBeside(feed)).toEqual([]);
  });

  it('lists a hundred differences and counts the others', async () => {
    const last = await feed.happened(...story(people(250)));
    await feed.start(projectionHandler(told));
    await caughtUp('told', last);
    await feed.rows('truncate read.told');
    stack.use(await startRebuilder(feed, asModule(told)));
    const job = await over(feed, await ask(feed, 'told', true));
    expect(job.difference_count).toBe(250);
    expect(job.differences).toHaveLength(100);
  });
});
