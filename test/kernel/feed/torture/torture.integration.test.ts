import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { unnumberedEvents } from '../../../../src/kernel/feed/unnumbered.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/database.ts';
import { eventually } from '../../../support/eventually.ts';
import { PATIENCE } from '../../../support/patience.ts';
import { problemsOf, type SeenEvent } from './checks.ts';
import { startNumbering } from './numbering-processes.ts';
import { random } from './random.ts';
import { readByNumber, readByPosition, type TailReader } from './readers.ts';
import { makeAggregates, storeEvents, write } from './writers.ts';

/** TORTURE=100 does a hundred times as much; TORTURE_SEED makes the same decisions as a run that printed its seed. */
const LENGTH = Number(process.env.TORTURE ?? 1);
const SEED = Number(process.env.TORTURE_SEED ?? Math.floor(Math.random() * 2 ** 32));
/** Only a test that hangs meets it, in milliseconds. */
const LONGEST = 5 * PATIENCE * LENGTH;
const WRITERS = 8;
const COMMANDS = 60 * LENGTH;

/** What is left when the writers are done. */
interface Aftermath {
  readonly database: TestDatabase;
  readonly committed: readonly SeenEvent[];
  /** Commits the transaction that was open all the time, and returns its event. */
  readonly commitHeld: () => Promise<SeenEvent>;
  readonly onPrimary: TailReader;
  readonly onReplica: TailReader;
  readonly byPosition: TailReader;
  readonly killed: number;
}

/** `prepare` is done to the database before anybody writes; `look` when the writers are done, while readers and instances go on. */
async function torture(
  prepare: (database: TestDatabase) => Promise<unknown>,
  look: (aftermath: Aftermath) => Promise<void>,
): Promise<void> {
  console.info(`TORTURE_SEED=${SEED}`);
  const decisions = random(SEED);
  await using stack = new AsyncDisposableStack();
  const database = await createTestDatabase();
  stack.defer(database.drop);
  await prepare(database);
  const aggregates = await makeAggregates(database.query);
  const { writer, reader, replicas } = database.connections;
  const [replica] = replicas;
  if (!replica) throw new Error('the tests have a replica');

  const follow = async (reading: Promise<TailReader>): Promise<TailReader> => {
    const tail = await reading;
    stack.defer(tail.stop);
    return tail;
  };
  const onPrimary = await follow(readByNumber(reader));
  const onReplica = await follow(readByNumber(replica));
  const byPosition = await follow(readByPosition(reader));
  const held = new pg.Client(writer);
  await held.connect();
  stack.defer(() => held.end());
  const numbering = await startNumbering(writer, { count: 3, random: decisions.fork() });
  stack.defer(numbering.end);

  // It has its position before all others.
  const heldEvent = { id: randomUUID(), aggregateId: randomUUID(), version: 1, cause: undefined };
  await held.query('begin');
  await storeEvents(held, [heldEvent]);
  const writers = Array.from({ length: WRITERS }, () => ({ random: decisions.fork(), aggregates, commands: COMMANDS }));
  const written = await Promise.all(writers.map((options) => write(writer, options)));
  await numbering.spare();
  const commitHeld = async (): Promise<SeenEvent> => {
    await held.query('commit');
    return heldEvent;
  };
  await look({ database, committed: written.flat(), commitHeld, onPrimary, onReplica, byPosition, killed: numbering.killed() });
}

const numbers = async ({ query }: TestDatabase): Promise<number[]> => {
  const rows = await query<{ sequence: string }>('select sequence from cqrs.feed order by sequence');
  return rows.map(({ sequence }) => Number(sequence));
};

/** Nothing waits for a number, and both readers of numbers have them all. */
async function isUpToDate({ database, onPrimary, onReplica }: Aftermath, events: number): Promise<void> {
  const primary = { query: async ({ text }: pg.QueryConfig) => ({ rows: await database.query(text) }) };
  expect(await unnumberedEvents(primary as never)).toEqual({ events: 0, ageSeconds: 0 });
  expect([onPrimary.given.length, onReplica.given.length]).toEqual([events, events]);
}

const asItIs = async (): Promise<void> => {};

/** The mistake that numbers by visibility are there for: whatever has a position above the last one that has a number. */
const numberByPosition = ({ query }: TestDatabase): Promise<unknown> =>
  query(`create or replace function cqrs.number_events(most integer) returns integer language plpgsql security definer as $$
    declare
      given integer;
    begin
      if not pg_try_advisory_xact_lock(hashtext('cqrs.sequencer')) then
        return null;
      end if;
      insert into cqrs.feed (sequence, position)
        select (select coalesce(max(sequence), 0) from cqrs.feed) + row_number() over (order by position), position from cqrs.event
        where position > (select coalesce(max(position), 0) from cqrs.feed) order by position limit most;
      get diagnostics given = row_count;
      return given;
    end $$`);

describe('the feed, while transactions end late and out of order and instances are killed,', () => {
  it(
    'gives each committed event once, without gaps and in its order, on primary and replica',
    async () => {
      await torture(asItIs, async (aftermath) => {
        const { database, committed, commitHeld, onPrimary, onReplica, byPosition, killed } = aftermath;
        // A transaction that is open delays no event but its own.
        await eventually(() => isUpToDate(aftermath, committed.length));
        const all = [...committed, await commitHeld()];
        await eventually(() => isUpToDate(aftermath, all.length));

        expect(await numbers(database)).toEqual(all.map((_, index) => index + 1));
        for (const { given, gaps, stop } of [onPrimary, onReplica]) {
          await stop();
          expect(gaps).toEqual([]);
          expect(problemsOf(given, all)).toEqual([]);
        }
        expect(onReplica.given).toEqual(onPrimary.given);
        expect(onPrimary.given.at(-1)).toEqual(all.at(-1));
        expect(killed).toBeGreaterThan(0);
        // Whoever follows positions instead is not told of them all.
        await byPosition.stop();
        expect(problemsOf(byPosition.given, all)).not.toEqual([]);
      });
    },
    LONGEST,
  );

  it(
    'would fail these checks if numbers were given in the order of positions',
    async () => {
      await torture(numberByPosition, async ({ database, committed, commitHeld, onPrimary }) => {
        const all = [...committed, await commitHeld()];
        await eventually(async () => {
          const [row] = await database.query<{ left: string }>(
            'select count(*) as left from cqrs.event where position > (select max(position) from cqrs.feed)',
          );
          expect(row?.left).toBe('0');
          expect(onPrimary.given).toHaveLength((await numbers(database)).length);
        });
        await onPrimary.stop();
        expect(onPrimary.gaps).toEqual([]);
        const problems = problemsOf(onPrimary.given, all);
        expect(problems).toContainEqual(expect.stringContaining('did not come'));
      });
    },
    LONGEST,
  );
});
