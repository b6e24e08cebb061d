import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { statementSummary } from '../../../../src/kernel/database/statement-summary.ts';
import type { AggregateType } from '../../../../src/kernel/database/write/aggregate-type.ts';
import { Address, BareTripType, type Leg, TravellerType, type Trip } from './trips/trip.ts';
import { id, loadTrip, planTrip, startTripWork, type TripWork } from './trips/trip-work.ts';

let trips: TripWork;
beforeAll(async () => {
  trips = await startTripWork({
    types: [BareTripType as unknown as AggregateType<object>, TravellerType as unknown as AggregateType<object>],
  });
});
afterAll(async () => trips[Symbol.asyncDispose]());

const CANARY = 'kanarie7391';

let planned = 0;
/** What a command on a trip of two legs sends, as summaries; BEGIN goes with the first statement, COMMIT with the last. */
async function sentBy(change: (trip: Trip) => unknown): Promise<string[]> {
  planned += 1;
  const trip = await planTrip(trips, planned * 1000);
  const texts = await trips.sent(() =>
    trips.run(async (work) => {
      const loaded = await loadTrip(work, trip);
      change(loaded);
      loaded.note(CANARY);
    }),
  );
  return texts.map(statementSummary);
}

const legOf = (trip: Trip, index: number): Leg => {
  const leg = trip.legs[index];
  if (!leg) throw new Error('there is no such leg');
  return leg;
};

/** docs/database.md says what a command on an aggregate of several tables costs: this is what holds it. */
describe('the statements of a command on an aggregate of several tables', () => {
  const first = ['BEGIN', 'SELECT trips.trip'];
  const last = ['INSERT cqrs.event INSERT cqrs.command_log', 'COMMIT'];

  it('are one to load it, one for its root, one for the rest', async () => {
    expect(await sentBy((trip) => Object.assign(trip, { title: CANARY }))).toEqual([...first, 'UPDATE trips.trip', ...last]);
  });

  it('and one for each table in which parts are added, changed or removed, however many', async () => {
    const sent = await sentBy((trip) => {
      for (let n = 3; n < 9; n += 1) trip.addLeg(id(planned * 1000 + n), n);
      for (const [index, leg] of trip.legs.getItems().entries()) leg.position = 20 + index;
    });
    expect(sent).toEqual([...first, 'UPDATE trips.trip', 'INSERT trips.leg', 'UPDATE trips.leg', ...last]);
    expect(await sentBy((trip) => trip.legs.remove(legOf(trip, 1)))).toEqual([
      ...first,
      'UPDATE trips.trip',
      'DELETE trips.leg',
      ...last,
    ]);
  });

  it('hold no value in their text', async () => {
    const trip = await planTrip(trips, 500_000);
    const texts = await trips.sent(() =>
      trips.run(async (work) => {
        const loaded = await loadTrip(work, trip);
        loaded.title = `${CANARY} ? ?? \\? $1 '`;
        loaded.tags = [CANARY];
        loaded.notes = { [CANARY]: CANARY };
        loaded.budget = 7391n;
        loaded.startsOn = '7391-01-01';
        loaded.home = new Address(CANARY, CANARY);
        loaded.places = [new Address(CANARY, CANARY)];
        legOf(loaded, 0)
          .stops.getItems()
          .forEach((stop) => {
            stop.place = CANARY;
          });
        loaded.addLeg(id(500_009), 7391, [CANARY, CANARY]);
        loaded.note(CANARY);
        await work.manager.find('Leg' as never, { position: 7391, trip: { title: { $like: `%${CANARY}%` } } } as never);
      }),
    );
    const sent = texts.join('\n');
    for (const verb of ['insert into "trips"."stop"', 'update "trips"."stop"', 'update "trips"."trip"', 'like $'])
      expect(sent).toContain(verb);
    for (const value of [CANARY, '7391', trip, id(500_009)]) expect(sent).not.toContain(value);
    expect(await trips.database.query('select title from trips.trip where id = $1', [trip])).toEqual([
      { title: `${CANARY} ? ?? \\? $1 '` },
    ]);
  });

  it('are prepared by name', async () => {
    const trip = await planTrip(trips, 600_000);
    const names = await trips.run(async (work) => {
      const loaded = await loadTrip(work, trip);
      loaded.note('named');
      await work.manager.flush();
      return work.query<{ name: string }>('select name from pg_prepared_statements where $1 = 1', [1]);
    });
    expect(names.map(({ name }) => name)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^select trips\.trip /), expect.stringMatching(/^update trips\.trip /)]),
    );
  });
});
