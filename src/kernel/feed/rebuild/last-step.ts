import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { errorCode } from '../../database/sql-errors.ts';
import { compareTables } from './differences.ts';
import type { Filling, RebuildTools } from './filling.ts';
import { LOCK_TABLES, RebuildFailed, type RebuildJob, STEPS } from './rebuild-job.ts';

/** How long it waits for those who write the live tables, in milliseconds: doubled with each try up to the most. Whoever comes later waits as long. */
const PATIENCE = 200;
const MOST_PATIENCE = 1_600;
/** How long others pass before it tries again, in milliseconds. */
const LET_PASS = 500;

/**
 * Brings the tables beside to exactly what the live ones should have, and swaps or compares them. It keeps the live tables from being written
 * meanwhile, for as long as the last events take; they can be read all the time, but for the moment of the swap.
 */
export async function lastStep(job: RebuildJob, filling: Filling, tools: RebuildTools): Promise<void> {
  const attempt = job.verify ? compare : swap;
  for (let patience = PATIENCE; ; patience = Math.min(MOST_PATIENCE, patience * 2)) {
    tools.signal.throwIfAborted();
    await filling.fill();
    const { place } = job;
    try {
      return await attempt(job, { filling, tools, patience });
    } catch (error) {
      // The lock was not had in time, or those who have it wait for one that is held here.
      if (!['55P03', '40P01'].includes(errorCode(error) ?? '')) throw error;
      // What it filled was rolled back.
      job.place = place;
    }
    await sleep(LET_PASS, undefined, { signal: tools.signal });
  }
}

interface Attempt {
  readonly filling: Filling;
  readonly tools: RebuildTools;
  readonly patience: number;
}

async function swap(job: RebuildJob, { filling, tools, patience }: Attempt): Promise<void> {
  await transaction(tools.pool, async (client) => {
    await holdLive(client, job, patience);
    await filling.rest(client, await filling.goal(client));
    await job.succeed(client);
    await filling.handOver?.(client);
    await asked(client, 'cqrs.finish_rebuild', job);
    // Those of the batches are not waited for: what a crash undoes of them is done again.
    await client.query('set local synchronous_commit = on');
  });
}

/** While one connection keeps the live tables as they are, another fills the others to the same, and takes a picture of both. */
async function compare(job: RebuildJob, { filling, tools, patience }: Attempt): Promise<void> {
  const { pool } = tools;
  const holder = await pool.connect();
  let isReleased = false;
  const letGo = async (): Promise<void> => {
    if (isReleased) return;
    isReleased = true;
    await holder.query('rollback').then(
      () => holder.release(),
      () => holder.release(true),
    );
  };
  try {
    await holder.query('begin');
    await holdLive(holder, job, patience);
    const goal = await filling.goal(holder);
    const client = await pool.connect();
    try {
      await client.query('begin');
      await filling.rest(client, goal);
      await job.enter(client, STEPS.compare);
      await client.query('commit; begin isolation level repeatable read read only; select pg_current_snapshot()');
      await letGo();
      const differences = await compareTables(client, job.projection.tables);
      await client.query('commit');
      await job.succeed(client, differences);
      client.release();
    } catch (error) {
      client.release(true);
      throw error;
    }
  } finally {
    await letGo();
  }
}

/** No command and no processor writes the live tables from here on. A long read, and the vacuum, may be waited for in vain. */
async function holdLive(client: pg.ClientBase, { projection }: RebuildJob, patience: number): Promise<void> {
  await client.query(`set local lock_timeout = '${patience}ms'`);
  for (const table of projection.tables.toSorted()) await client.query(`lock table ${table} in exclusive mode`);
}

/** Makes the tables, empty, and notes where the job begins. */
export async function makeTables(job: RebuildJob, filling: Filling, { pool }: RebuildTools): Promise<void> {
  await transaction(pool, async (client) => {
    await client.query(LOCK_TABLES);
    await filling.begin(client);
    await asked(client, 'cqrs.begin_rebuild', job);
    // A fold may look for rows by any index; what is filled from rows is only added to.
    if (job.projection.of === 'events') await asked(client, 'cqrs.index_rebuild', job);
  });
}

/** Makes what their filling did not need: indexes, and what the planner has to know. */
export const makeIndexes = (job: RebuildJob, { pool }: RebuildTools): Promise<void> => asked(pool, 'cqrs.index_rebuild', job);

/** What those functions raise themselves: it names tables and says what is wrong with them. */
const REFUSED = ['0A000', '42P01', '55000'];

async function asked(client: Pick<pg.Pool | pg.ClientBase, 'query'>, name: string, { projection }: RebuildJob): Promise<void> {
  try {
    await client.query(`select ${name}($1)`, [projection.tables]);
  } catch (error) {
    if (Error.isError(error) && REFUSED.includes(errorCode(error) ?? '')) throw new RebuildFailed(error.message, error);
    throw error;
  }
}

export async function transaction(pool: pg.Pool, run: (client: pg.ClientBase) => Promise<unknown>): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await run(client);
    await client.query('commit');
    client.release();
  } catch (error) {
    // It ends with the connection.
    client.release(true);
    throw error;
  }
}
