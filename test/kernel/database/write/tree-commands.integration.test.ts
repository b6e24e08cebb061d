import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Call } from '../../../../src/kernel/bus/call.ts';
import { Conflict } from '../../../../src/kernel/bus/errors.ts';
import type { AggregateType } from '../../../../src/kernel/database/write/aggregate-type.ts';
import { ChangeWithoutEvent, UndeclaredChange } from '../../../../src/kernel/database/write/refused-changes.ts';
import type { UnitOfWork } from '../../../../src/kernel/database/write/unit-of-work.ts';
import { BareTripType, type Leg, Stop, Traveller, TravellerType, Trip } from './trips/trip.ts';
import { id, loadTrip, planTrip, startTripWork, type TripWork } from './trips/trip-work.ts';

const BARE = [BareTripType as unknown as AggregateType<object>, TravellerType as unknown as AggregateType<object>];

let trips: TripWork;
let declaring: TripWork;
beforeAll(async () => {
  trips = await startTripWork({ types: BARE });
  declaring = await startTripWork({ declared: ['trips.v1.Trip', 'trips.v1.Traveller'] });
});
afterAll(async () => {
  await trips[Symbol.asyncDispose]();
  await declaring[Symbol.asyncDispose]();
});

let planned = 0;
const plan = (on: TripWork = trips): Promise<string> => {
  planned += 1;
  return planTrip(on, planned * 1000);
};
const rows = (text: string, ...values: unknown[]): Promise<Record<string, unknown>[]> => trips.database.query(text, values);
const writesOf = async (trip: string) => (await rows('select version, writes from trips.trip where id = $1', trip))[0];
const legOf = (trip: Trip, index: number): Leg => {
  const leg = trip.legs[index];
  if (!leg) throw new Error('there is no such leg');
  return leg;
};

describe('the version of an aggregate of several tables', () => {
  it('is raised when only a part changed', async () => {
    const trip = await plan();
    await trips.run(async (work) => {
      const loaded = await loadTrip(work, trip);
      legOf(loaded, 0).position = 7;
      // An event without a rise of the version that people see, as a log-in is.
      loaded.recorded = ['moved'];
    });
    expect(await writesOf(trip)).toEqual({ version: 1, writes: 2 });
  });

  it.each([
    ['of the root', (trip: Trip) => Object.assign(trip, { title: 'Overtaken' })],
    ['of a part', (trip: Trip) => Object.assign(legOf(trip, 1), { position: 9 })],
    ['that adds a part', (trip: Trip) => trip.addLeg(id(planned * 1000 + 8), 3)],
    ['that removes a part', (trip: Trip) => trip.legs.remove(legOf(trip, 1))],
  ])('refuses a change %s that was overtaken, before anything is written of its parts', async (_, change) => {
    const trip = await plan();
    const overtaken = trips.run(async (work) => {
      const loaded = await loadTrip(work, trip);
      await trips.run(async (other) => {
        (await loadTrip(other, trip)).note('faster').addLeg(id(planned * 1000 + 9), 3);
      });
      change(loaded);
      loaded.note('slower');
    });
    await expect(overtaken).rejects.toBeInstanceOf(Conflict);
    expect(await rows('select position from trips.leg where trip_id = $1 order by position', trip)).toEqual([
      { position: 1 },
      { position: 2 },
      { position: 3 },
    ]);
    expect(await writesOf(trip)).toEqual({ version: 2, writes: 2 });
  });

  it('cannot be lost a second time: whoever lost once waits for the row', async () => {
    const trip = await plan();
    const add = (n: number) =>
      trips.run(
        async (work) => {
          const loaded = await loadTrip(work, trip);
          loaded.addLeg(id(planned * 1000 + 100 + n), loaded.legs.length + 1);
          loaded.note('added');
        },
        { attempt: 2 },
      );
    await Promise.all([1, 2, 3, 4, 5, 6].map(add));
    const positions = await rows('select position from trips.leg where trip_id = $1 order by position', trip);
    expect(positions.map(({ position }) => position)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(await writesOf(trip)).toEqual({ version: 7, writes: 7 });
  });
});

describe('a change without an event', () => {
  it.each<[string, string, (trip: Trip) => unknown]>([
    ['of the root', 'changed title of', (trip) => Object.assign(trip, { title: 'Silent' })],
    ['within an embeddable', 'changed home_city of', (trip) => Object.assign(trip.home, { city: 'Silent' })],
    ['of a part', 'changed Leg position of', (trip) => Object.assign(legOf(trip, 0), { position: 5 })],
    ['of a part of a part', 'changed Stop place of', (trip) => Object.assign(legOf(trip, 0).stops[0] ?? {}, { place: 'Silent' })],
    ['that adds a part', 'changed Leg (added) of', (trip) => trip.addLeg(id(1), 3)],
    ['that removes a part', 'changed Leg (removed) of', (trip) => trip.legs.remove(legOf(trip, 1))],
  ])('%s fails, names the aggregate and the command, and stores nothing', async (_, words, change) => {
    const trip = await plan();
    const stored = () =>
      rows(
        'select to_jsonb(trip) as trip, (select jsonb_agg(leg order by id) from trips.leg where trip_id = trip.id) as legs from trips.trip where id = $1',
        trip,
      );
    const before = await stored();
    const failure = await trips.run(async (work) => change(await loadTrip(work, trip))).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ChangeWithoutEvent);
    expect((failure as Error).message).toContain('users.v1.CommandService/ChangeName');
    expect((failure as Error).message).toContain(words);
    expect((failure as Error).message).toContain(`trips.v1.Trip ${trip}`);
    expect(await stored()).toEqual(before);
  });

  it('of what belongs to no aggregate of the command fails too', async () => {
    const trip = await plan();
    const failure = await trips
      .run(async (work) => {
        const loaded = await loadTrip(work, trip);
        await work.manager.populate(loaded, ['traveller'] as never);
        loaded.traveller.name = 'Changed through a trip';
        loaded.note('changed somebody');
      })
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ChangeWithoutEvent);
    expect((failure as Error).message).toContain('changed name of Traveller');
  });

  it('is not what loading an aggregate is taken for', async () => {
    const trip = await plan();
    await trips.run((work) => loadTrip(work, trip));
    expect(await writesOf(trip)).toEqual({ version: 1, writes: 1 });
  });
});

async function changeBoth(work: UnitOfWork, trip: string): Promise<void> {
  const loaded = await loadTrip(work, trip);
  const traveller = await work.find(TravellerType, loaded.traveller.id);
  traveller?.rename('Grace');
  loaded.note('renamed its traveller');
}

describe('a second aggregate', () => {
  it('that is not declared is refused: the error names the command, the aggregates and the remedy', async () => {
    const trip = await plan();
    const failure = await trips.run((work) => changeBoth(work, trip)).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UndeclaredChange);
    const { message } = failure as Error;
    expect(message).toContain('users.v1.CommandService/ChangeName');
    expect(message).toContain(`trips.v1.Trip ${trip} and trips.v1.Traveller ${id(planned * 1000 + 50)}`);
    expect(message).toContain(`command(…, { changes: ['trips.v1.Trip', 'trips.v1.Traveller'] })`);
    expect(await writesOf(trip)).toEqual({ version: 1, writes: 1 });
  });

  it('that is declared is versioned like the first, and both are stored with all events', async () => {
    const trip = await plan(declaring);
    const traveller = id(planned * 1000 + 50);
    await declaring.run((work) => changeBoth(work, trip));
    const { query } = declaring.database;
    expect(await query('select version, writes from trips.trip where id = $1', [trip])).toEqual([{ version: 2, writes: 2 }]);
    expect(await query('select name, version, writes from trips.traveller where id = $1', [traveller])).toEqual([
      { name: 'Grace', version: 2, writes: 2 },
    ]);
    const [record] = await query<{ event_ids: string[] }>(
      'select * from cqrs.command_log where aggregate_id = $1 order by received_at desc, command_id desc limit 1',
      [trip],
    );
    expect(record).toMatchObject({ aggregate_type: 'trips.v1.Trip', version_before: 1, version_after: 2 });
    expect(await query('select aggregate_type from cqrs.event where id = any ($1)', [record?.event_ids])).toHaveLength(2);
  });

  it('that was overtaken undoes the first', async () => {
    const trip = await plan(declaring);
    const overtaken = declaring.run(async (work) => {
      await changeBoth(work, trip);
      await declaring.run(async (other) => (await other.find(TravellerType, id(planned * 1000 + 50)))?.rename('Faster'));
    });
    await expect(overtaken).rejects.toBeInstanceOf(Conflict);
    const stored = await declaring.database.query('select version from trips.trip where id = $1', [trip]);
    expect(stored).toEqual([{ version: 1 }]);
  });

  it('may be flat, like the first', async () => {
    const [one, other] = [new Traveller(id(7_000_001), 'One'), new Traveller(id(7_000_002), 'Other')];
    await declaring.run((work) => {
      for (const traveller of [one, other]) {
        traveller.rename(`${traveller.name}!`);
        work.add(TravellerType, traveller);
      }
    });
    await declaring.run(async (work) => {
      for (const { id } of [one, other]) (await work.find(TravellerType, id))?.rename('Both');
    });
    const stored = await declaring.database.query('select name, writes from trips.traveller where id = any ($1)', [
      [one.id, other.id],
    ]);
    expect(stored).toEqual([
      { name: 'Both', writes: 2 },
      { name: 'Both', writes: 2 },
    ]);
  });
});

describe('a rehearsal', () => {
  /** A command that makes a trip with the ids that its call gives out, as every handler does. */
  const planOne = async (work: UnitOfWork, { newId }: Call): Promise<string> => {
    const trip = new Trip(newId(), 'Rehearsed', await work.manager.findOneOrFail(Traveller, { id: id(8_000_050) })).note(
      'planned',
    );
    const leg = trip.addLeg(newId(), 1);
    leg.stops.add(new Stop(newId(), leg, 'Kiel'));
    work.add(BareTripType, trip);
    return trip.id;
  };

  it('of a recorded command is written under other ids, those of its parts too, and leaves nothing', async () => {
    await planTrip(trips, 8_000_000);
    const commandId = '01930000-0000-7000-8000-00000000f001';
    const trip = await trips.run(planOne, { commandId });
    const counted = () =>
      rows(
        'select (select count(*) from trips.trip) as trips, (select count(*) from trips.leg) as legs, (select count(*) from cqrs.event) as events',
      );
    const before = await counted();
    expect(await trips.run(planOne, { commandId, rehearsed: true })).toBe(trip);
    expect(await counted()).toEqual(before);
  });

  it('of a change of parts leaves nothing', async () => {
    const trip = await plan();
    await trips.run(async (work) => void (await loadTrip(work, trip)).note('rehearsed').addLeg(id(planned * 1000 + 60), 3), {
      rehearsed: true,
    });
    expect(await writesOf(trip)).toEqual({ version: 1, writes: 1 });
    expect(await rows('select from trips.leg where trip_id = $1', trip)).toHaveLength(2);
  });
});
