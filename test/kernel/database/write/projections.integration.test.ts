import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { UserCreatedSchema, UserNameChangedSchema } from '#gen/users/v1/events_pb.js';
import type { AggregateType, InlineProjection } from '../../../../src/kernel/database/write/aggregate-type.ts';
import { projection, projectionParts } from '../../../../src/kernel/feed/projection.ts';
import { Traveller, TravellerType, tripOverview } from './trips/trip.ts';
import { id, loadTrip, planTrip, startTripWork, type TripWork } from './trips/trip-work.ts';

/** Of a flat aggregate: what happened to it, and what it was called before. */
const history: InlineProjection<Traveller> = {
  name: 'history',
  reads: ['before', 'events'],
  statement: `insert into trips.history (traveller_id, position, name_before, name, said, at)
    select written.id, written.version * 100 + events.position, before.name, written.name, events.data ->> 'name', events.occurred_at
    from written cross join events left join before on true`,
};

/** Reads events alone, in two parts. */
const names = projection({
  name: 'names',
  events: [UserNameChangedSchema],
  tables: { count: 'trips.name_count' },
  data: false,
  statements: ({ count }) => ({
    renames: 'select aggregate_id as id, count(*) as number from events group by aggregate_id',
    counts: `insert into ${count} as row (traveller_id, renames) select id, number from renames
      on conflict (traveller_id) do update set renames = row.renames + excluded.renames`,
  }),
});

/** Takes no event of a traveller. */
const others = projection({ ...names, name: 'others', events: [UserCreatedSchema] });

const FlatType: AggregateType<Traveller> = { ...TravellerType, projections: [history, names, others] };
/** Keeps nothing that reads what events hold. */
const BareType: AggregateType<Traveller> = { ...TravellerType, projections: [names] };
const rename = (traveller: Traveller, name: string): void => traveller.rename(name);

let trips: TripWork;
beforeAll(async () => {
  trips = await startTripWork({
    types: [FlatType as unknown as AggregateType<object>],
    tables: `create table trips.history (traveller_id uuid, position integer, name_before text, name text, said text, at timestamptz);
      create table trips.name_count (traveller_id uuid primary key, renames integer not null)`,
  });
});
afterAll(async () => trips[Symbol.asyncDispose]());

const rows = (text: string, ...values: unknown[]): Promise<Record<string, unknown>[]> => trips.database.query(text, values);

describe('an inline projection', () => {
  it('of a flat aggregate sees the row before and after and the events, in the one statement', async () => {
    await trips.run((work) => {
      const traveller = new Traveller(id(1), 'Ada');
      rename(traveller, 'Ada Lovelace');
      work.add(FlatType, traveller);
    });
    const sent = await trips.sent(() =>
      trips.run(async (work) => {
        const traveller = await work.find(FlatType, id(1));
        if (!traveller) throw new Error('there is no traveller');
        rename(traveller, 'Augusta');
        rename(traveller, 'Augusta Ada');
      }),
    );
    expect(sent).toHaveLength(4);
    expect(await rows('select position, name_before, name, said from trips.history order by position')).toEqual([
      { position: 101, name_before: null, name: 'Ada Lovelace', said: 'Ada Lovelace' },
      { position: 301, name_before: 'Ada Lovelace', name: 'Augusta Ada', said: 'Augusta' },
      { position: 302, name_before: 'Ada Lovelace', name: 'Augusta Ada', said: 'Augusta Ada' },
    ]);
  });

  it('that reads events alone comes to the same when it is kept later, from those that are stored', async () => {
    const [inline] = await rows('select * from trips.name_count');
    expect(inline).toEqual({ traveller_id: id(1), renames: 3 });
    await rows('truncate trips.name_count');
    // What a feed would hand over: any number of events of any number of commands.
    await rows(`with events as (
        select row_number() over (order by aggregate_version, id) as position, id, type, '{}'::jsonb as data, aggregate_type, aggregate_id,
          aggregate_version, command_id, occurred_at
        from cqrs.event
      ), ${projectionParts(names)
        .map(({ name, text }) => `${name} as (${text})`)
        .join()} select`);
    expect(await rows('select * from trips.name_count')).toEqual([inline]);
  });

  it('that does not read what events hold has nobody make JSON of them', async () => {
    const bare = await startTripWork({
      types: [BareType as unknown as AggregateType<object>],
      tables: 'create table trips.name_count (traveller_id uuid primary key, renames integer not null)',
    });
    try {
      const sent = await bare.sent(() =>
        bare.run((work) => {
          const traveller = new Traveller(id(1), 'Ada');
          rename(traveller, 'Ada Lovelace');
          work.add(BareType, traveller);
        }),
      );
      expect(sent.join()).not.toContain('event_data');
      expect(await bare.database.query('select * from trips.name_count')).toEqual([{ traveller_id: id(1), renames: 1 }]);
    } finally {
      await bare[Symbol.asyncDispose]();
    }
  });

  it('of an aggregate of several tables sees the rows of its parts, and its root before and after', async () => {
    const tree = await startTripWork();
    try {
      const trip = await planTrip(tree, 1000);
      await tree.run(async (work) => {
        const loaded = await loadTrip(work, trip);
        loaded.title = 'South';
        loaded.addLeg(id(1009), 3);
        loaded.note('turned');
      });
      expect(await tree.database.query('select title, title_before, legs, last_event from trips.overview')).toEqual([
        { title: 'South', title_before: 'North', legs: 3, last_event: 'turned' },
      ]);
      expect(tripOverview.reads).toEqual(['before', 'events']);
    } finally {
      await tree[Symbol.asyncDispose]();
    }
  });
});
