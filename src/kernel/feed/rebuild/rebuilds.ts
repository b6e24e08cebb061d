import type { Logger } from 'pino';
import { type Loop, loop } from '../../background/loop.ts';
import { meaningOf } from '../../database/sql-errors.ts';
import { failureOf } from '../processors/failure.ts';
import { EventsFilling } from './events-filling.ts';
import type { Filling, RebuildTools } from './filling.ts';
import { lastStep, makeIndexes, makeTables, transaction } from './last-step.ts';
import {
  CLAIM,
  LOCK_TABLES,
  LOOK,
  type Look,
  RebuildFailed,
  RebuildJob,
  RebuildLost,
  type RebuildRow,
  STEPS,
} from './rebuild-job.ts';
import type { Rebuildable } from './rebuildable.ts';
import { RowsFilling } from './rows-filling.ts';

/** From one look for jobs to the next, in milliseconds. */
const LOOK_EVERY = 1_000;

/** The sessions in which tables are filled. What a crash undoes, it undoes with the place of the job: no disk is waited for. */
export const REBUILD_SESSION: Readonly<Record<string, string>> = { synchronous_commit: 'off', jit: 'off' };

export interface RebuildsOptions extends Omit<RebuildTools, 'signal'> {
  readonly projections: ReadonlyMap<string, Rebuildable>;
  /** The id of this process in cqrs.instance. */
  readonly instance: string;
  readonly logger: Pick<Logger, 'warn' | 'info' | 'error'>;
  readonly everyMs?: number;
}

export interface Rebuilds extends Pick<Loop, 'wake'> {
  /** Leaves what is under way to the other instances. */
  readonly stop: (signal?: AbortSignal) => Promise<void>;
}

/**
 * Takes jobs from cqrs.rebuild, one after the other, and works on each until it is done: those that nobody has, those that an instance has left that
 * is gone, and its own, where the database was unavailable.
 */
export function startRebuilds(options: RebuildsOptions): Rebuilds {
  const { projections, instance, lookPool, logger, everyMs = LOOK_EVERY } = options;
  const stopping = new AbortController();
  const tools: RebuildTools = { ...options, signal: stopping.signal };
  const names = [...projections.keys()];
  const tables = JSON.stringify(Object.fromEntries([...projections].map(([name, { tables }]) => [name, tables])));

  async function round(): Promise<void> {
    const { rows } = await lookPool.query<Look>(LOOK, [instance, names, tables]);
    const [look] = rows;
    if (look && look.leftovers.length > 0) await tidy();
    if (!look?.is_due) return;
    const { rows: claimed } = await lookPool.query<RebuildRow>(CLAIM, [instance, names]);
    for (const row of claimed) await work(row);
    if (!stopping.signal.aborted) looking.wake();
  }

  async function work(row: RebuildRow): Promise<void> {
    const projection = projections.get(row.projection);
    if (!projection) return;
    const job = new RebuildJob(row, projection, instance);
    const told = { projection: job.projection.name, rebuild: job.id, verify: job.verify };
    logger.info(told, job.canGoOn ? 'a rebuild goes on' : 'a rebuild begins');
    try {
      await run(job);
      logger.info(told, job.verify ? 'a projection was compared' : 'a projection was rebuilt');
    } catch (error) {
      if (stopping.signal.aborted) await job.release(lookPool);
      else if (error instanceof RebuildLost) logger.info(told, 'a rebuild was cancelled, or goes on elsewhere');
      else if (isPassing(error)) throw error;
      else await fail(job, error);
    }
  }

  async function run(job: RebuildJob): Promise<void> {
    const filling = fillingOf(job);
    if (!job.canGoOn) await makeTables(job, filling, tools);
    await filling.fill();
    await job.enter(tools.pool, STEPS.indexes);
    await makeIndexes(job, tools);
    await job.enter(tools.pool, STEPS.changes);
    await lastStep(job, filling, tools);
  }

  const fillingOf = (job: RebuildJob): Filling =>
    job.projection.of === 'events' ? new EventsFilling(job, job.projection, tools) : new RowsFilling(job, job.projection, tools);

  async function fail(job: RebuildJob, error: unknown): Promise<void> {
    const told = error instanceof RebuildFailed ? error.message : failureOf(error).told;
    await job.fail(lookPool, told).catch((lost: unknown) => {
      if (!(lost instanceof RebuildLost)) throw lost;
    });
    logger.error({ projection: job.projection.name, rebuild: job.id, reason: told }, 'a rebuild failed: the old tables stay');
  }

  /** Drops what a job has left that was cancelled, failed, or compared. */
  async function tidy(): Promise<void> {
    await transaction(tools.pool, async (client) => {
      await client.query(LOCK_TABLES);
      const { rows } = await client.query<Look>(LOOK, [instance, names, tables]);
      await client.query('select cqrs.drop_rebuild($1)', [rows[0]?.leftovers ?? []]);
    });
  }

  const looking: Loop = loop({
    name: 'rebuilds',
    every: everyMs,
    round,
    outage: { logger, fails: 'rebuilds cannot go on', works: 'rebuilds go on' },
  });
  return {
    wake: looking.wake,
    stop: async (signal) => {
      stopping.abort();
      await looking.stop(signal);
    },
  };
}

/** Whether it works when it is tried again, as it is. */
function isPassing(error: unknown): boolean {
  const meaning = meaningOf(error);
  return meaning === 'conflict' || meaning === 'unavailable' || meaning === 'overloaded';
}
