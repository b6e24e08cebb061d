import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { UserNameChangedSchema } from '#gen/users/v1/events_pb.js';
import type { AggregateType } from '../../../../src/kernel/database/write/aggregate-type.ts';
import { StatementsRefused } from '../../../../src/kernel/database/write/statement-check.ts';
import { createWriteSide } from '../../../../src/kernel/database/write/write-side.ts';
import { projection } from '../../../../src/kernel/feed/projection.ts';
import { UserType } from '../../../../src/modules/users/persistence/user-type.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/database.ts';
import { createTripTables, TravellerType, TripType, tripOverview } from './trips/trip.ts';

const TYPES = [TripType, TravellerType, UserType] as unknown as readonly AggregateType<object>[];

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await createTripTables(database);
});
afterAll(async () => database.drop());

/** What the start of a service with these aggregates says. */
async function started(types = TYPES, ...statements: string[]): Promise<unknown> {
  const projections = statements.map((text) => ({ module: 'trips', projection: following(text) }));
  const options = { poolSize: 2, ownerDigest: () => Buffer.alloc(0), moduleOf: () => 'trips', projections };
  try {
    await (await createWriteSide(database.connections.writer, types, options)).close();
    return 'started';
  } catch (error) {
    return error;
  }
}

/** A projection that follows the feed. */
const following = (statement: string) =>
  projection({
    name: 'trip_names',
    events: [UserNameChangedSchema],
    tables: { overview: 'trips.overview' },
    statements: () => ({ renamed: 'select aggregate_id as id from events', overview: statement }),
  });

/** Does something to the database, and undoes it afterwards. */
async function after(change: string, undo: string): Promise<string> {
  await database.query(change);
  try {
    const failure = await started();
    expect(failure).toBeInstanceOf(StatementsRefused);
    return (failure as Error).message;
  } finally {
    await database.query(undo);
  }
}

const withProjection = (statement: string) =>
  started([{ ...TripType, projections: [tripOverview, { name: 'second', statement }] }] as never);

describe('the start', () => {
  it('finds nothing wrong with aggregates whose tables are there', async () => {
    expect(await started()).toBe('started');
  });

  it.each<[string, string, string, string, string]>([
    [
      'a forgotten migration',
      'alter table trips.trip rename to away',
      'alter table trips.away rename to trip',
      'relation "trips.trip" does not exist',
      'Add a migration that makes it',
    ],
    [
      'a forgotten schema',
      'alter schema trips rename to away',
      'alter schema away rename to trips',
      'aggregate trips.v1.Traveller',
      'Add a migration that makes it',
    ],
    [
      'a forgotten column',
      'alter table trips.trip rename title to name',
      'alter table trips.trip rename name to title',
      'column "title"',
      'Add a migration with the column',
    ],
    [
      'a forgotten table of a part',
      'alter table trips.stop rename to away',
      'alter table trips.away rename to stop',
      'relation "trips.stop" does not exist',
      'Add a migration that makes it',
    ],
    [
      'a forgotten column of a part',
      'alter table trips.leg rename position to place',
      'alter table trips.leg rename place to position',
      'column "position"',
      'Add a migration with the column',
    ],
    [
      'a forgotten table that joins',
      'alter table trips.trip_label rename to away',
      'alter table trips.away rename to trip_label',
      'relation "trips.trip_label" does not exist',
      'Add a migration that makes it',
    ],
    [
      'a forgotten grant',
      'revoke update on trips.trip from bicameral_writer',
      'grant update on trips.trip to bicameral_writer',
      'permission denied for table trip',
      'grants it to bicameral_writer',
    ],
    [
      'a forgotten grant on a part',
      'revoke delete on trips.leg from bicameral_writer',
      'grant delete on trips.leg to bicameral_writer',
      'permission denied for table leg',
      'grants it to bicameral_writer',
    ],
    [
      'a forgotten table of a read model',
      'alter table trips.overview rename to away',
      'alter table trips.away rename to overview',
      'module trips, aggregate trips.v1.Trip, projection overview: relation "trips.overview"',
      'mend the statement of the projection',
    ],
    [
      'a forgotten grant on a read model',
      'revoke insert on trips.overview from bicameral_writer',
      'grant insert on trips.overview to bicameral_writer',
      'projection overview: permission denied',
      'grants it to bicameral_writer',
    ],
  ])('names %s, whose it is and what to do', async (_, change, undo, problem, remedy) => {
    const message = await after(change, undo);
    expect(message).toContain('module trips, aggregate trips.v1.Tr');
    expect(message).toContain(problem);
    expect(message).toContain(remedy);
  });

  it.each([
    [
      'a column that is not there',
      'insert into trips.overview (id, titel) select id, title from written',
      'column "titel" of relation "overview" does not exist',
    ],
    [
      'a part that it does not declare',
      `insert into trips.overview (id, title, legs) select id, title, 0 from before`,
      'relation "before" does not exist',
    ],
    [
      'a slip',
      'insert into trips.overview (id, title, legs) select id, title, title from written',
      'column "legs" is of type integer',
    ],
    ['no SQL', 'upsert it', 'syntax error'],
  ])('names a projection with %s', async (_, statement, problem) => {
    const failure = await withProjection(statement);
    expect(failure).toBeInstanceOf(StatementsRefused);
    const lines = (failure as Error).message.split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain(`module trips, aggregate trips.v1.Trip, projection second: ${problem}`);
  });

  it('plans what follows the feed', async () => {
    const statement =
      'insert into trips.overview (id, title, legs) select id, position::text, 0 from events join renamed using (id)';
    expect(await started(TYPES, statement)).toBe('started');
  });

  it.each([
    ['that writes a table that nobody made', 'insert into trips.away select from events', 'relation "trips.away" does not exist'],
    ['that reads the row of a command', 'insert into trips.overview select * from written', 'relation "written" does not exist'],
  ])('names a projection %s, with its module and its file', async (_, statement, problem) => {
    const failure = await started(TYPES, statement);
    expect(failure).toBeInstanceOf(StatementsRefused);
    const [, line, ...others] = (failure as Error).message.split('\n');
    expect(line).toContain(`module trips, projection trip_names (src/modules/trips/projections/trip-names.ts): ${problem}`);
    expect(others).toEqual([]);
  });

  it('leaves nothing behind', async () => {
    expect(await database.query('select from trips.trip')).toEqual([]);
    expect(await database.query('select from cqrs.event')).toEqual([]);
  });
});
