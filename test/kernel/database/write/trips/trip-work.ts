import { create } from '@bufbuild/protobuf';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { Answer } from '../../../../../src/kernel/bus/answer.ts';
import type { Call } from '../../../../../src/kernel/bus/call.ts';
import { CommandAttempt } from '../../../../../src/kernel/command-log/command-attempt.ts';
import { NamedStatementClient } from '../../../../../src/kernel/database/named-statement-client.ts';
import type { AggregateType } from '../../../../../src/kernel/database/write/aggregate-type.ts';
import type { UnitOfWork } from '../../../../../src/kernel/database/write/unit-of-work.ts';
import { createWriteSide, type WriteSide } from '../../../../../src/kernel/database/write/write-side.ts';
import { createTestDatabase, type TestDatabase } from '../../../../support/database.ts';
import { callTo } from '../../../middleware/test-call.ts';
import { createTripTables, LabelMapping, Traveller, TravellerType, Trip, TripType } from './trip.ts';

export const METHOD = CommandService.method.changeName;

/** Commands on trips: each has the unit of work, as a handler does. */
export interface TripWork extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly side: WriteSide;
  readonly run: <T>(decide: (work: UnitOfWork, call: Call) => Promise<T> | T, options?: RunOptions) => Promise<T>;
  /** The texts of the statements that this sends in its transaction. */
  readonly sent: (act: () => Promise<unknown>) => Promise<string[]>;
}

interface RunOptions {
  readonly attempt?: number;
  readonly rehearsed?: boolean;
  /** The id of the command. */
  readonly commandId?: string;
}

export async function startTripWork({
  types = [TripType as unknown as AggregateType<object>, TravellerType as unknown as AggregateType<object>],
  declared,
  tables = '',
}: {
  types?: readonly AggregateType<object>[];
  declared?: readonly string[];
  /** More tables, as SQL. */
  tables?: string;
} = {}): Promise<TripWork> {
  const database = await createTestDatabase();
  await createTripTables(database, tables);
  const side = await createWriteSide(database.connections.writer, types, {
    poolSize: 8,
    ownerDigest: () => Buffer.alloc(0),
    entities: [LabelMapping as never],
    ...(declared && { declared: new Map([[METHOD, declared]]) }),
  });
  return {
    database,
    side,
    run: async (decide, { attempt = 1, rehearsed = false, commandId } = {}) => {
      const call = callTo(METHOD, { ...(commandId !== undefined && { id: commandId }) });
      const work = side.unitOfWork(call, attempt);
      try {
        const result = await decide(work, call);
        const ending = new CommandAttempt(call, { dryRun: rehearsed }).ending(new Answer(METHOD, create(METHOD.output)));
        await (rehearsed ? work.write(ending) : work.commit(ending));
        return result;
      } finally {
        await work.rollback();
      }
    },
    sent: async (act) => {
      const texts: string[] = [];
      NamedStatementClient.listener = (text, purpose) => {
        if (purpose === 'bicameral commands') texts.push(text);
      };
      try {
        await act();
      } finally {
        NamedStatementClient.listener = undefined;
      }
      return texts;
    },
    [Symbol.asyncDispose]: async () => {
      await side.close();
      await database.drop();
    },
  };
}

export async function loadTrip(work: UnitOfWork, id: string): Promise<Trip> {
  const trip = await work.find(TripType, id);
  if (!trip) throw new Error('there is no such trip');
  return trip;
}

/** A traveller and a trip of two legs, the first with two stops; answers the id of the trip. Ids from `n` on are taken. */
export async function planTrip({ run }: TripWork, n: number): Promise<string> {
  const traveller = new Traveller(id(n + 50), 'Ada');
  await run((work) => {
    traveller.rename('Ada Lovelace');
    work.add(TravellerType, traveller);
  });
  await run(async (work) => {
    const trip = new Trip(id(n), 'North', await work.manager.findOneOrFail(Traveller, { id: traveller.id })).note('planned');
    trip.addLeg(id(n + 1), 1, ['Kiel', 'Oslo']);
    trip.addLeg(id(n + 2), 2);
    work.add(TripType, trip);
  });
  return id(n);
}

/** The n-th id of a test. */
export const id = (n: number): string => `01930000-0000-7000-8000-${String(n).padStart(12, '0')}`;
