import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MikroORM } from '@mikro-orm/postgresql';
import { BoundDriver } from '../../../../src/kernel/database/write/bound-driver.ts';
import { holdPlainValues } from '../../../../src/kernel/database/write/plain-values.ts';
import { LabelMapping, Ticket, Traveller, TravellerMapping, Trip, TripMapping } from './trips/trip.ts';

describe('plain values', () => {
  let orm: MikroORM;
  beforeAll(async () => {
    orm = await MikroORM.init({
      dbName: 'none',
      driver: BoundDriver,
      entities: [TripMapping, TravellerMapping, LabelMapping],
      discovery: { inferDefaultValues: false },
    });
    for (const mapped of orm.getMetadata()) holdPlainValues(mapped);
  });
  afterAll(() => orm.close(true));

  const ID = '01a22d20-3992-7d6b-b18b-2c4c575c5ca1';

  it('are what they are in an entity that is made of a row', () => {
    const traveller = orm.em.fork().map(TravellerMapping, { id: ID, name: 'Ada', version: 3, writes: 4 });
    expect(Object.getOwnPropertyDescriptor(traveller, 'name')).toMatchObject({ value: 'Ada', writable: true, enumerable: true });
    expect(traveller).toBeInstanceOf(Traveller);
  });

  it('are found when they change', () => {
    const manager = orm.em.fork();
    const traveller = manager.map(TravellerMapping, { id: ID, name: 'Ada', version: 3, writes: 4 });
    traveller.rename('Grace');
    const changes = manager.getUnitOfWork();
    changes.computeChangeSets();
    expect(changes.getChangeSets().map(({ payload }) => payload)).toEqual([{ name: 'Grace', version: 4 }]);
  });

  it('leave references as they are: both sides know of each other, of entities that nobody has stored too', () => {
    const trip = new Trip(ID, 'North', new Traveller(ID, 'Ada'));
    // As a class without fields makes it.
    const ticket = Object.create(Ticket.prototype) as Ticket;
    ticket.trip = trip;
    expect(trip.ticket).toBe(ticket);
  });
});
