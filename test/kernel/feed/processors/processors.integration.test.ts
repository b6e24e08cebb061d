import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { UserCreatedSchema, UserDeletedSchema, UserNameChangedSchema } from '#gen/users/v1/events_pb.js';
import {
  EventRefused,
  type FeedEvent,
  type FeedHandler,
  Transient,
} from '../../../../src/kernel/feed/processors/feed-handler.ts';
import { startProcessor } from '../../../../src/kernel/feed/processors/processor.ts';
import { projectionHandler } from '../../../../src/kernel/feed/processors/projection-handler.ts';
import { projection } from '../../../../src/kernel/feed/projection.ts';
import { eventually } from '../../../support/eventually.ts';
import { EVENT_TYPES, type FeedWork, type Happened, startFeedWork } from './feed-work.ts';

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

interface Letter {
  readonly sequence: number;
  readonly aggregate_id: string;
  readonly attempts: number;
  readonly error: string | null;
}
const letters = (): Promise<Letter[]> =>
  feed.rows<Letter>('select sequence::integer, aggregate_id, attempts, error from cqrs.dead_letter order by sequence');
/** As an operator does it. */
const retry = (sequence: number): Promise<unknown> =>
  feed.rows('update cqrs.dead_letter set retry = true where sequence = $1', sequence);
const cure = (): Promise<unknown> => feed.rows('alter table read.told drop constraint told_names_check');

describe('an event that a projection cannot handle', () => {
  it('parks its aggregate alone, in order, and everything else goes on', async () => {
    const people = Array.from({ length: 100 }, () => randomUUID());
    const [ada = ''] = people;
    await feed.happened(...people.map((id) => created(id, 'one')));
    const poison = (await feed.happened(renamed(ada, 'poison'))) as number;
    await feed.happened(...people.flatMap((id) => [renamed(id, 'two'), renamed(id, 'three')]));
    await feed.start(projectionHandler(told));
    await caughtUp('told', 301);

    expect(await namesOf(ada)).toEqual(['one']);
    for (const id of people.slice(1)) expect(await namesOf(id)).toEqual(['one', 'two', 'three']);
    expect(await letters()).toEqual([
      {
        sequence: poison,
        aggregate_id: ada,
        attempts: 3,
        error: 'SQLSTATE 23514: a constraint is violated, constraint told_names_check, table read.told',
      },
      { sequence: poison + 1, aggregate_id: ada, attempts: 0, error: null },
      { sequence: poison + 2, aggregate_id: ada, attempts: 0, error: null },
    ]);
    expect(feed.log()).toContain('it is a dead letter');
    // What has to stay where it is: the values of an event.
    expect(JSON.stringify([await letters(), await feed.rows('select * from cqrs.processor'), feed.log()])).not.toContain(
      'poison',
    );

    // What comes later stands behind.
    await caughtUp('told', await feed.happened(renamed(ada, 'four')));
    expect((await letters()).map(({ attempts }) => attempts)).toEqual([3, 0, 0, 0]);
    expect(await namesOf(ada)).toEqual(['one']);
  });

  it('is tried again when somebody asks, and those behind it follow in order', async () => {
    const ada = randomUUID();
    const poison = (await feed.happened(created(ada, 'one'))) + 1;
    const last = await feed.happened(renamed(ada, 'poison'), ...Array.from({ length: 20 }, (_, n) => renamed(ada, `${n}`)));
    await feed.start(projectionHandler(told));
    await caughtUp('told', last);
    await retry(poison);
    await eventually(async () => expect((await letters())[0]?.attempts).toBe(4));
    expect(await letters()).toHaveLength(21);

    await cure();
    await retry(poison);
    await eventually(async () => expect(await letters()).toEqual([]));
    expect(await namesOf(ada)).toEqual(['one', 'poison', ...Array.from({ length: 20 }, (_, n) => `${n}`)]);
  });

  it('lets those behind it go on when it is discarded', async () => {
    const ada = randomUUID();
    const poison = (await feed.happened(created(ada, 'one'))) + 1;
    const last = await feed.happened(renamed(ada, 'poison'), renamed(ada, 'two'), renamed(ada, 'poison'), renamed(ada, 'three'));
    await feed.start(projectionHandler(told));
    await caughtUp('told', last);
    await feed.rows('delete from cqrs.dead_letter where sequence = $1', poison);
    await eventually(async () => expect(await namesOf(ada)).toEqual(['one', 'two']));
    await eventually(async () => expect((await letters()).map(({ attempts }) => attempts)).toEqual([1, 0]));
  });

  it('is found in a batch that never leaves the database', async () => {
    await feed.rows(`alter table read.counted add check (number < 3 or type <> 'users.v1.UserNameChanged')`);
    const people = Array.from({ length: 50 }, () => randomUUID());
    const last = await feed.happened(
      ...people.map((id) => created(id, 'Ada')),
      ...people.slice(0, 4).map((id) => renamed(id, 'Grace')),
    );
    await feed.start(projectionHandler(counted));
    await caughtUp('counted', last);
    expect(await letters()).toHaveLength(2);
    expect(await feed.rows('select type, number::integer from read.counted order by type')).toEqual([
      { type: 'users.v1.UserCreated', number: 50 },
      { type: 'users.v1.UserNameChanged', number: 2 },
    ]);
  });

  it('is one whose bytes are no message of its type', async () => {
    const [ada, grace] = [randomUUID(), randomUUID()];
    await feed.happened(created(ada, 'Ada'));
    await feed.rows(`insert into cqrs.event (id, type, payload, aggregate_type, aggregate_id, aggregate_version, command_id, traceparent, occurred_at)
      select gen_random_uuid(), 'users.v1.UserNameChanged', '\\xff', aggregate_type, aggregate_id, 2, command_id, '', now() from cqrs.event`);
    const last = await feed.happened(created(grace, 'Grace'));
    await feed.start(projectionHandler(told));
    await caughtUp('told', last);
    expect(await letters()).toMatchObject([{ sequence: 2, error: expect.stringContaining('it cannot be read') }]);
    expect(await namesOf(grace)).toEqual(['Grace']);
  });
});

describe('a projection whose table is not there', () => {
  it('parks nothing, says so, and goes on when the table is back', async () => {
    await feed.rows('alter table read.told rename to away');
    const ada = randomUUID();
    const last = await feed.happened(created(ada, 'one'), renamed(ada, 'two'));
    await feed.start(projectionHandler(told));
    await eventually(async () => {
      const [row] = await feed.rows('select error, attempts, checkpoint::integer, failing_since from cqrs.processor');
      expect(row).toMatchObject({
        error: 'SQLSTATE 42P01: the statement does not fit the tables',
        attempts: 0,
        checkpoint: 0,
        failing_since: expect.any(Date),
      });
    });
    await feed.rows('alter table read.away rename to told');
    await caughtUp('told', last);
    expect(await namesOf(ada)).toEqual(['one', 'two']);
    expect(await letters()).toEqual([]);
    expect(await feed.rows('select error, failing_since from cqrs.processor')).toEqual([{ error: null, failing_since: null }]);
  });
});

describe('a processor', () => {
  it('that is paused does nothing, whoever owns it, until it is resumed', async () => {
    const ada = randomUUID();
    await feed.start(projectionHandler(told));
    await caughtUp('told', await feed.happened(created(ada, 'one')));
    await feed.rows('update cqrs.processor set paused = true');
    const last = await feed.happened(renamed(ada, 'two'));
    const second = await feed.start(projectionHandler(told));
    await second.look();
    await second.look();
    expect(await namesOf(ada)).toEqual(['one']);
    await feed.rows('update cqrs.processor set paused = false');
    await caughtUp('told', last);
    expect(await namesOf(ada)).toEqual(['one', 'two']);
  });

  it('does not write for every event that it does not take, and its checkpoint follows all the same', async () => {
    const ada = randomUUID();
    await feed.start(projectionHandler(told));
    await caughtUp('told', await feed.happened(created(ada, 'one')));
    const movesOf = async () => Number((await feed.rows<{ moves: string }>('select moves from cqrs.processor'))[0]?.moves);
    const before = await movesOf();
    const began = performance.now();
    let last = 0;
    for (let n = 0; n < 50; n += 1) last = await feed.happened(deleted(randomUUID()));
    await caughtUp('told', last);
    // One a second.
    expect((await movesOf()) - before).toBeLessThanOrEqual((performance.now() - began) / 1000 + 2);
  });

  it('goes on in the partitions in which it was begun', async () => {
    const people = Array.from({ length: 40 }, () => randomUUID());
    const handler = projectionHandler(projection({ ...told, partitions: 4 }));
    const first = await feed.start(handler);
    const last = await feed.happened(...people.flatMap((id) => [created(id, 'one'), renamed(id, 'two')]));
    await caughtUp('told', last);
    for (const id of people) expect(await namesOf(id)).toEqual(['one', 'two']);
    expect(await checkpoint('told')).toHaveLength(4);
    await first.stop();
    await feed.start(projectionHandler(told));
    await caughtUp('told', await feed.happened(...people.map((id) => renamed(id, 'three'))));
    expect(await checkpoint('told')).toHaveLength(4);
    for (const id of people) expect(await namesOf(id)).toEqual(['one', 'two', 'three']);
    expect(feed.log()).toContain('goes on in 4 partitions');
  });

  it('shares its events among its partitions by their aggregates', async () => {
    const people = Array.from({ length: 40 }, () => randomUUID());
    await feed.rows('create table read.seen (id uuid, by text); grant insert, select on read.seen to bicameral_writer');
    const seen = projection({
      name: 'seen',
      events: [UserCreatedSchema, UserNameChangedSchema],
      tables: { seen: 'read.seen' },
      data: false,
      partitions: 4,
      statements: ({ seen }) => ({
        seen: `insert into ${seen} select aggregate_id, pg_current_xact_id()::text from events`,
      }),
    });
    const last = await feed.happened(...people.flatMap((id) => [created(id, 'one'), renamed(id, 'two')]));
    await feed.start(projectionHandler(seen));
    await caughtUp('seen', last);
    const rows = await feed.rows<{ count: string; by: string }>(
      'select count(*), count(distinct by) as by from read.seen group by id',
    );
    expect(rows).toEqual(people.map(() => ({ count: '2', by: '1' })));
    expect(await feed.rows('select distinct by from read.seen')).toHaveLength(4);
  });

  it('that was made by other statements says so', async () => {
    const first = await feed.start(projectionHandler(told));
    await first.stop();
    expect(feed.log()).not.toContain('projection rebuild');
    await feed.start(projectionHandler(projection({ ...told, statements: () => ({ other: 'select 1' }) })));
    expect(feed.log()).toContain('bicameral projection rebuild told');
  });

  it('has the effect of an event once, however many think that it is theirs', async () => {
    const own = await feed.start(projectionHandler(told), projectionHandler(counted));
    const people = Array.from({ length: 20 }, () => randomUUID());
    const others = [told, counted, told, counted].map((one) =>
      startProcessor({
        handler: projectionHandler(one),
        partition: 0,
        partitions: 1,
        pool: feed.pool,
        eventTypes: EVENT_TYPES,
        lastSequence: () => feed.news.lastSequence,
        logger: feed.logger,
      }),
    );
    const forget = feed.news.onNews(() => {
      for (const other of others) other.wake();
    });
    let last = await feed.happened(...people.map((id) => created(id, '0')));
    for (let n = 1; n <= 40; n += 1) last = await feed.happened(...people.map((id) => renamed(id, `${n}`)));
    await caughtUp('told', last);
    await caughtUp('counted', last);
    forget();
    await Promise.all(others.map((other) => other.stop()));
    await own.stop();
    const names = Array.from({ length: 41 }, (_, n) => `${n}`);
    for (const id of people) expect(await namesOf(id)).toEqual(names);
    expect(await feed.rows('select type, number::integer from read.counted order by type')).toEqual([
      { type: 'users.v1.UserCreated', number: 20 },
      { type: 'users.v1.UserNameChanged', number: 800 },
    ]);
  });
});

describe('a handler that reacts', () => {
  const reactor = (react: (event: FeedEvent) => Promise<unknown>): FeedHandler => ({
    name: 'reactor',
    kind: 'reactor',
    types: [UserCreatedSchema.typeName, UserNameChangedSchema.typeName],
    partitions: 1,
    from: 'now',
    definition: '',
    parts: [],
    readsData: false,
    react,
  });
  const nameOf = ({ message }: FeedEvent): string => (message as unknown as { name: string }).name;

  it('is called with each event from now on, in order', async () => {
    const ada = randomUUID();
    await feed.happened(created(ada, 'before'));
    const seen: FeedEvent[] = [];
    await feed.start(reactor(async (event) => seen.push(event)));
    const last = await feed.happened(renamed(ada, 'one'), deleted(ada), renamed(ada, 'two'));
    await caughtUp('reactor', last);
    expect(seen.map(nameOf)).toEqual(['one', 'two']);
    expect(seen[0]).toMatchObject({
      sequence: 2,
      aggregateId: ada,
      aggregateType: 'users.v1.User',
      occurredAt: expect.any(Date),
    });
  });

  it('is called again while something is unavailable, and loses nothing', async () => {
    const ada = randomUUID();
    const seen: string[] = [];
    let failures = 6;
    await feed.start(
      reactor(async (event) => {
        if (nameOf(event) === 'two' && failures-- > 0) throw new Transient(new Error('the warehouse is unavailable'));
        seen.push(nameOf(event));
      }),
    );
    const last = await feed.happened(created(ada, 'one'), renamed(ada, 'two'), renamed(ada, 'three'));
    await eventually(async () =>
      expect(await feed.rows('select error, checkpoint::integer from cqrs.processor')).toEqual([
        { error: 'the warehouse is unavailable', checkpoint: 1 },
      ]),
    );
    await caughtUp('reactor', last);
    expect(seen).toEqual(['one', 'two', 'three']);
  });

  it('parks what fails three times, with what is behind it, and retries in order', async () => {
    const [ada, grace] = [randomUUID(), randomUUID()];
    const seen: string[] = [];
    let isIll = true;
    await feed.start(
      reactor(async (event) => {
        if (isIll && nameOf(event) === 'two') throw new EventRefused('Reserve was refused');
        seen.push(nameOf(event));
      }),
    );
    const last = await feed.happened(
      created(ada, 'one'),
      renamed(ada, 'two'),
      created(grace, 'Grace'),
      renamed(ada, 'three'),
      renamed(grace, 'Hopper'),
    );
    await caughtUp('reactor', last);
    expect(seen).toEqual(['one', 'Grace', 'Hopper']);
    expect(await letters()).toMatchObject([
      { sequence: 2, attempts: 3, error: 'Reserve was refused' },
      { sequence: 4, attempts: 0, error: null },
    ]);
    isIll = false;
    await retry(2);
    await eventually(async () => expect(await letters()).toEqual([]));
    expect(seen).toEqual(['one', 'Grace', 'Hopper', 'two', 'three']);
  });
});

describe('instances', () => {
  const many = Array.from({ length: 4 }, (_, n) =>
    projectionHandler(projection({ ...counted, name: `counted_${n}`, statements: () => ({ nothing: 'select 1' }) })),
  );

  it('share the processors, and take over those of one that stops', async () => {
    const one = await feed.start(...many);
    await eventually(() => expect(one.own()).toHaveLength(4));
    const two = await feed.start(...many);
    await eventually(() => expect([one.own().length, two.own().length]).toEqual([2, 2]));
    const three = await feed.start(...many);
    await eventually(() => expect([one, two, three].map((each) => each.own().length).toSorted()).toEqual([1, 1, 2]));
    await one.stop();
    await three.stop();
    await eventually(() => expect(two.own()).toHaveLength(4));
    await two.stop();
    expect(await feed.rows('select owner from cqrs.processor where owner is not null')).toEqual([]);
    expect(await feed.rows('select from cqrs.instance')).toEqual([]);
  });

  it('replace one that is gone without a word', async () => {
    await feed.rows(
      `insert into cqrs.instance values (gen_random_uuid(), 'elsewhere', 1, '', now(), clock_timestamp() + interval '1 hour')`,
    );
    const one = await feed.start(...many);
    await feed.rows('update cqrs.processor set owner = (select id from cqrs.instance where pid = 1)');
    await one.look();
    expect(one.own()).toEqual([]);
    await feed.rows('update cqrs.instance set seen_at = clock_timestamp() where pid = 1');
    await eventually(() => expect(one.own()).toHaveLength(4));
    await eventually(async () =>
      expect(await feed.rows('select distinct owner from cqrs.processor')).toEqual([{ owner: one.id }]),
    );
  });
});
