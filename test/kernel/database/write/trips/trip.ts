import { randomUUIDv7 } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { Collection, defineEntity, p } from '@mikro-orm/core';
import { UserNameChangedSchema } from '#gen/users/v1/events_pb.js';
import type { AggregateType, InlineProjection } from '../../../../../src/kernel/database/write/aggregate-type.ts';
import type { TestDatabase } from '../../../../support/database.ts';

/** An aggregate with one of everything that MikroORM maps: what is between it and the tables is under test, not what it does. */
export class Trip {
  id: string;
  title: string;
  status: 'planned' | 'booked' = 'planned';
  tags: string[] = [];
  notes: Record<string, unknown> = {};
  budget = 0n;
  startsOn = '2027-01-01';
  leavesAt = new Date(0);
  seats = 0.5;
  photo = Buffer.alloc(0);
  home: Address = new Address('Main Street 1', 'Berlin');
  places: Address[] = [];
  traveller: Traveller;
  legs = new Collection<Leg>(this);
  labels = new Collection<Label>(this);
  ticket: Ticket | null = null;
  version = 0;
  writes?: number;
  recorded: string[] = [];

  constructor(id: string, title: string, traveller: Traveller) {
    this.id = id;
    this.title = title;
    this.traveller = traveller;
  }

  /** Records that something happened. */
  note(what: string): this {
    this.recorded = [...(this.recorded ?? []), what];
    this.version += 1;
    return this;
  }

  addLeg(id: string, position: number, stops: readonly string[] = []): Leg {
    const leg = new Leg(id, this, position);
    for (const place of stops) leg.stops.add(new Stop(randomUUIDv7(), leg, place));
    this.legs.add(leg);
    return leg;
  }
}

export class Address {
  street: string;
  city: string;
  constructor(street: string, city: string) {
    this.street = street;
    this.city = city;
  }
}

export class Leg {
  id: string;
  trip: Trip;
  position: number;
  stops = new Collection<Stop>(this);
  constructor(id: string, trip: Trip, position: number) {
    this.id = id;
    this.trip = trip;
    this.position = position;
  }
}

export class Stop {
  id: string;
  leg: Leg;
  place: string;
  constructor(id: string, leg: Leg, place: string) {
    this.id = id;
    this.leg = leg;
    this.place = place;
  }
}

export class Ticket {
  id: string;
  trip: Trip;
  code: string;
  constructor(id: string, trip: Trip, code: string) {
    this.id = id;
    this.trip = trip;
    this.code = code;
  }
}

/** Another aggregate, which a trip refers to. */
export class Traveller {
  id: string;
  name: string;
  version = 0;
  writes?: number;
  recorded: string[] = [];
  constructor(id: string, name: string) {
    this.id = id;
    this.name = name;
  }
  rename(name: string): void {
    this.name = name;
    this.version += 1;
    this.recorded = [...(this.recorded ?? []), name];
  }
}

export class Label {
  id!: string;
  text!: string;
}

const AddressMapping = defineEntity({
  class: Address,
  embeddable: true,
  properties: { street: p.text(), city: p.text() },
});

export const TravellerMapping = defineEntity({
  class: Traveller,
  schema: 'trips',
  tableName: 'traveller',
  properties: {
    id: p.uuid().primary(),
    name: p.text(),
    version: p.integer(),
    writes: p.integer().version(),
  },
});

export const LabelMapping = defineEntity({
  class: Label,
  schema: 'trips',
  tableName: 'label',
  properties: { id: p.uuid().primary(), text: p.text() },
});

const StopMapping = defineEntity({
  class: Stop,
  schema: 'trips',
  tableName: 'stop',
  properties: { id: p.uuid().primary(), leg: () => p.manyToOne(LegMapping), place: p.text() },
});

const LegMapping = defineEntity({
  class: Leg,
  schema: 'trips',
  tableName: 'leg',
  properties: {
    id: p.uuid().primary(),
    trip: () => p.manyToOne(TripMapping),
    position: p.integer(),
    stops: () => p.oneToMany(StopMapping).mappedBy('leg').orphanRemoval(),
  },
});

const TicketMapping = defineEntity({
  class: Ticket,
  schema: 'trips',
  tableName: 'ticket',
  properties: { id: p.uuid().primary(), trip: () => p.oneToOne(TripMapping).inversedBy('ticket'), code: p.text() },
});

export const TripMapping = defineEntity({
  class: Trip,
  schema: 'trips',
  tableName: 'trip',
  properties: {
    id: p.uuid().primary(),
    title: p.text(),
    status: p.enum(['planned', 'booked'] as const),
    tags: p.array(),
    notes: p.json<Record<string, unknown>>(),
    budget: p.bigint('bigint'),
    startsOn: p.date().fieldName('starts_on'),
    leavesAt: p.datetime(3).fieldName('leaves_at'),
    seats: p.double(),
    photo: p.blob(),
    home: () => p.embedded(AddressMapping).prefix('home_'),
    places: () => p.embedded(AddressMapping).array(),
    traveller: () => p.manyToOne(TravellerMapping),
    legs: () => p.oneToMany(LegMapping).mappedBy('trip').orphanRemoval().orderBy({ position: 'asc' }),
    labels: () =>
      p.manyToMany(LabelMapping).owner().pivotTable('trips.trip_label').joinColumn('trip_id').inverseJoinColumn('label_id'),
    ticket: () => p.oneToOne(TicketMapping).mappedBy('trip').nullable().orphanRemoval(),
    version: p.integer(),
    writes: p.integer().version(),
  },
});

/** One row a trip: how many legs it has, what it was called before and what was last told of it. */
export const tripOverview: InlineProjection<Trip> = {
  name: 'overview',
  reads: ['before', 'events'],
  statement: `insert into trips.overview (id, title, title_before, legs, last_event)
    select written.id, written.title, before.title, (select count(*) from trips.leg where leg.trip_id = written.id),
      (select data ->> 'name' from events order by position desc limit 1)
    from written left join before on true
    on conflict (id) do update set title = excluded.title, title_before = excluded.title_before, legs = excluded.legs, last_event = excluded.last_event`,
};

const events = (recorded: readonly string[] | undefined) =>
  (recorded ?? []).map((name) => ({ schema: UserNameChangedSchema, message: create(UserNameChangedSchema, { name }) }));

/** The same, without the projection that reads how the row was before. */
export const BareTripType: AggregateType<Trip> = {
  name: 'trips.v1.Trip',
  mapping: TripMapping as never,
  id: ({ id }) => id,
  version: ({ version }) => version,
  events: ({ recorded }) => events(recorded),
  erasesPersonalData: () => false,
  projections: [],
  violation: () => undefined,
};

export const TripType: AggregateType<Trip> = { ...BareTripType, projections: [tripOverview] };

export const TravellerType: AggregateType<Traveller> = {
  name: 'trips.v1.Traveller',
  mapping: TravellerMapping as never,
  id: ({ id }) => id,
  version: ({ version }) => version,
  events: ({ recorded }) => events(recorded),
  erasesPersonalData: () => false,
  projections: [],
  violation: () => undefined,
};

export async function createTripTables({ query }: TestDatabase, more = ''): Promise<void> {
  await query(`create schema trips;
    create table trips.traveller (id uuid primary key, name text not null, version integer not null, writes integer not null default 1);
    create table trips.label (id uuid primary key, text text not null);
    create table trips.trip (
      id uuid primary key, title text not null, status text not null, tags text[] not null, notes jsonb not null, budget bigint not null,
      starts_on date not null, leaves_at timestamptz(3) not null, seats double precision not null, photo bytea not null,
      home_street text not null, home_city text not null, places jsonb not null,
      traveller_id uuid not null references trips.traveller, version integer not null, writes integer not null default 1);
    create table trips.leg (id uuid primary key, trip_id uuid not null references trips.trip, position integer not null, unique (trip_id, position));
    create table trips.stop (id uuid primary key, leg_id uuid not null references trips.leg, place text not null);
    create table trips.ticket (id uuid primary key, trip_id uuid not null unique references trips.trip, code text not null);
    create table trips.trip_label (trip_id uuid not null references trips.trip, label_id uuid not null references trips.label, primary key (trip_id, label_id));
    create table trips.overview (id uuid primary key, title text not null, title_before text, legs integer not null, last_event text);
    ${more};
    grant usage on schema trips to bicameral_writer;
    grant select, insert, update, delete on all tables in schema trips to bicameral_writer`);
}
