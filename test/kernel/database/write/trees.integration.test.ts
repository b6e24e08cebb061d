import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Address, Label, Leg, Stop, Ticket } from './trips/trip.ts';
import { id, loadTrip, planTrip, startTripWork, type TripWork } from './trips/trip-work.ts';

let trips: TripWork;
beforeAll(async () => {
  trips = await startTripWork();
});
afterAll(async () => trips[Symbol.asyncDispose]());

let planned = 0;
const plan = (): Promise<string> => {
  planned += 1;
  return planTrip(trips, planned * 1000);
};

const rows = (text: string, ...values: unknown[]): Promise<Record<string, unknown>[]> => trips.database.query(text, values);
const legsOf = (trip: string) => rows('select id, position from trips.leg where trip_id = $1 order by position', trip);
const writesOf = async (trip: string) => (await rows('select version, writes from trips.trip where id = $1', trip))[0];

describe('an aggregate of several tables', () => {
  it('is stored with its parts, its events and its record', async () => {
    const trip = await plan();
    expect(await legsOf(trip)).toMatchObject([{ position: 1 }, { position: 2 }]);
    expect(
      await rows('select place from trips.stop join trips.leg on leg.id = leg_id where trip_id = $1 order by place', trip),
    ).toEqual([{ place: 'Kiel' }, { place: 'Oslo' }]);
    const events = await rows(
      'select id, type, aggregate_type, aggregate_version, command_id from cqrs.event where aggregate_id = $1',
      trip,
    );
    expect(events).toMatchObject([{ type: 'users.v1.UserNameChanged', aggregate_type: 'trips.v1.Trip', aggregate_version: 1 }]);
    expect(
      await rows('select outcome, version_before, version_after, event_ids from cqrs.command_log where aggregate_id = $1', trip),
    ).toEqual([{ outcome: 'succeeded', version_before: null, version_after: 1, event_ids: [events[0]?.id] }]);
  });

  it('is loaded with its parts, of which each exists once', async () => {
    const trip = await plan();
    await trips.run(async (work) => {
      const loaded = await loadTrip(work, trip);
      expect(loaded.legs.map(({ position }) => position)).toEqual([1, 2]);
      expect(loaded.legs[0]?.stops.map(({ place }) => place).sort()).toEqual(['Kiel', 'Oslo']);
      expect(loaded.legs[0]?.trip).toBe(loaded);
      expect(await loadTrip(work, trip)).toBe(loaded);
      // Another aggregate: its id is known, and nothing of it is loaded.
      expect(loaded.traveller.id).toBe(id(planned * 1000 + 50));
      expect(loaded.traveller.name).toBeUndefined();
      // MikroORM's identity map: what the manager finds is the same object.
      expect(await work.manager.findOne(Leg, { trip: { id: trip }, position: 1 })).toBe(loaded.legs[0]);
    });
  });

  it('stores what is changed, added and removed of its parts, whatever their depth', async () => {
    const trip = await plan();
    await trips.run(async (work) => {
      const loaded = await loadTrip(work, trip);
      const [first, second] = loaded.legs.getItems();
      if (!first || !second) throw new Error('there are no legs');
      const [stop] = first.stops.getItems();
      if (stop) stop.place = 'Bergen';
      first.stops.add(new Stop(id(90), first, 'Malmö'));
      // Cascades: with the leg, its stops go, and with a new one, its own come.
      loaded.legs.remove(second);
      loaded.addLeg(id(70), 3, ['Narvik']);
      loaded.note('changed');
    });
    expect(await legsOf(trip)).toMatchObject([{ position: 1 }, { id: id(70), position: 3 }]);
    const stops = await rows(
      'select place from trips.stop join trips.leg on leg.id = leg_id where trip_id = $1 order by place',
      trip,
    );
    expect(stops.map(({ place }) => place)).toEqual(expect.arrayContaining(['Bergen', 'Malmö', 'Narvik']));
    expect(await writesOf(trip)).toEqual({ version: 2, writes: 2 });
  });

  it('removes the parts of a part with it', async () => {
    const trip = await plan();
    await trips.run(async (work) => {
      const loaded = await loadTrip(work, trip);
      loaded.legs.removeAll();
      loaded.note('emptied');
    });
    expect(await legsOf(trip)).toEqual([]);
    expect(await rows('select from trips.stop join trips.leg on leg.id = leg_id where trip_id = $1', trip)).toEqual([]);
  });

  it('exchanges values under a unique constraint', async () => {
    const trip = await plan();
    await trips.run(async (work) => {
      const loaded = await loadTrip(work, trip);
      // A leg that goes makes room for one that comes, in one command.
      const [first] = loaded.legs.getItems();
      if (first) loaded.legs.remove(first);
      await work.manager.flush();
      loaded.addLeg(id(60), 1);
      loaded.note('replaced');
    });
    expect(await legsOf(trip)).toMatchObject([{ id: id(60), position: 1 }, { position: 2 }]);
  });

  it('keeps every kind of value', async () => {
    const trip = await plan();
    await trips.run(async (work) => {
      const loaded = await loadTrip(work, trip);
      loaded.status = 'booked';
      loaded.tags = ['a,b', 'c"d', 'e'];
      loaded.notes = { nested: { list: [1, 'two', null], quote: "it's" } };
      loaded.budget = 9_007_199_254_740_993n;
      loaded.startsOn = '2027-02-28';
      loaded.leavesAt = new Date('2027-02-28T23:59:59.123Z');
      loaded.seats = 2.25;
      loaded.photo = Buffer.from([0, 255, 63]);
      loaded.home = new Address('Rue ? 5', 'Paris');
      loaded.places = [new Address('A', 'Rome'), new Address('B', 'Bonn')];
      loaded.note('filled in');
    });
    await trips.run(async (work) => {
      const { status, tags, notes, budget, startsOn, leavesAt, seats, photo, home, places } = await loadTrip(work, trip);
      expect({ status, tags, notes, budget, startsOn, leavesAt, seats, home, places }).toEqual({
        status: 'booked',
        tags: ['a,b', 'c"d', 'e'],
        notes: { nested: { list: [1, 'two', null], quote: "it's" } },
        budget: 9_007_199_254_740_993n,
        startsOn: '2027-02-28',
        leavesAt: new Date('2027-02-28T23:59:59.123Z'),
        seats: 2.25,
        home: new Address('Rue ? 5', 'Paris'),
        places: [new Address('A', 'Rome'), new Address('B', 'Bonn')],
      });
      expect(Buffer.from(photo)).toEqual(Buffer.from([0, 255, 63]));
      expect(home).toBeInstanceOf(Address);
    });
    // What is loaded and left alone is no change.
    expect(await writesOf(trip)).toEqual({ version: 2, writes: 2 });
  });

  it('finds a change within an embeddable, an array and a JSON value', async () => {
    const trip = await plan();
    await trips.run(async (work) => {
      const loaded = await loadTrip(work, trip);
      loaded.home.city = 'Lyon';
      loaded.tags.push('new');
      loaded.notes.added = true;
      loaded.places.push(new Address('C', 'Graz'));
      loaded.note('changed inside');
    });
    expect(await rows('select home_city, tags, notes, places from trips.trip where id = $1', trip)).toEqual([
      { home_city: 'Lyon', tags: ['new'], notes: { added: true }, places: [{ street: 'C', city: 'Graz' }] },
    ]);
  });

  it('has a one-to-one partner that comes and goes with it', async () => {
    const trip = await plan();
    await trips.run(async (work) => {
      const loaded = await loadTrip(work, trip);
      loaded.ticket = new Ticket(id(80), loaded, 'X1');
      loaded.note('ticketed');
    });
    expect(await rows('select code from trips.ticket where trip_id = $1', trip)).toEqual([{ code: 'X1' }]);
    await trips.run(async (work) => {
      const loaded = await loadTrip(work, trip);
      expect(loaded.ticket?.code).toBe('X1');
      loaded.ticket = null;
      loaded.note('returned');
    });
    expect(await rows('select from trips.ticket where trip_id = $1', trip)).toEqual([]);
  });

  it('refers to others by a collection', async () => {
    const trip = await plan();
    await rows(`insert into trips.label values ($1, 'red'), ($2, 'blue') on conflict do nothing`, id(51), id(52));
    await trips.run(async (work) => {
      const loaded = await loadTrip(work, trip);
      loaded.labels.add(work.manager.getReference(Label, id(51)) as never);
      loaded.labels.add(work.manager.getReference(Label, id(52)) as never);
      loaded.note('labelled');
    });
    await trips.run(async (work) => {
      const loaded = await loadTrip(work, trip);
      expect(loaded.labels.map(({ text }) => text).sort()).toEqual(['blue', 'red']);
      loaded.labels.remove(loaded.labels.getItems().filter(({ text }) => text === 'red'));
      loaded.note('red no more');
    });
    expect(await rows('select label_id from trips.trip_label where trip_id = $1', trip)).toEqual([{ label_id: id(52) }]);
    expect(await writesOf(trip)).toEqual({ version: 3, writes: 3 });
  });
});
