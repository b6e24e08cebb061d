import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { withSettings } from '../../../../src/kernel/database/connection.ts';
import { createPool } from '../../../../src/kernel/database/pool.ts';
import type { AggregateRows } from '../../../../src/kernel/database/write/aggregate-rows.ts';
import { startInstance } from '../../../../src/kernel/feed/instances.ts';
import type { Projection } from '../../../../src/kernel/feed/projection.ts';
import type { Difference } from '../../../../src/kernel/feed/rebuild/rebuild-job.ts';
import { rebuildables } from '../../../../src/kernel/feed/rebuild/rebuildable.ts';
import { REBUILD_SESSION, startRebuilds } from '../../../../src/kernel/feed/rebuild/rebuilds.ts';
import { eventually } from '../../../support/eventually.ts';
import { EVENT_TYPES, type FeedWork } from '../processors/feed-work.ts';

export interface JobRow {
  readonly id: string;
  readonly state: string;
  readonly step: string;
  readonly error: string | null;
  readonly place: number;
  readonly done: number;
  readonly total: number;
  readonly owner: string | null;
  readonly differences: readonly Difference[] | null;
  readonly difference_count: number | null;
}

const ROW = `select id, state, step, error, place::integer, done::integer, total::integer, owner, differences, difference_count::integer from cqrs.rebuild`;

/** Asks for a rebuild as the command does; answers its id. */
export async function ask(feed: Pick<FeedWork, 'rows'>, projection: string, verify = false): Promise<string> {
  const id = randomUUID();
  await feed.rows(
    `insert into cqrs.rebuild (id, projection, verify, state, started_at, updated_at) values ($1, $2, $3, 'running', now(), now())`,
    id,
    projection,
    verify,
  );
  return id;
}

export async function jobOf(feed: Pick<FeedWork, 'rows'>, id: string): Promise<JobRow> {
  const [row] = await feed.rows<JobRow>(`${ROW} where id = $1`, id);
  if (!row) throw new Error('no such job');
  return row;
}

/** The job when it is over. */
export async function over(feed: Pick<FeedWork, 'rows'>, id: string): Promise<JobRow> {
  await eventually(async () => expect((await jobOf(feed, id)).state).not.toBe('running'));
  return jobOf(feed, id);
}

/** What is in the schema of tables that are made anew. */
export const tablesBeside = async (feed: Pick<FeedWork, 'rows'>): Promise<string[]> =>
  (
    await feed.rows<{ name: string }>(
      `select relname as name from pg_class where relnamespace = 'rebuild'::regnamespace and relkind = 'r'`,
    )
  ).map(({ name }) => name);

/** An instance that makes these anew. */
export async function startRebuilder(
  feed: FeedWork,
  modules: Parameters<typeof rebuildables>[0],
  rowsOf: () => AggregateRows = () => {
    throw new Error('no aggregates here');
  },
): Promise<AsyncDisposable & { readonly id: string; readonly abandon: () => Promise<void> }> {
  const { writer } = feed.database.connections;
  const pool = createPool(withSettings(writer, REBUILD_SESSION), { name: 'rebuilds', max: 2, readOnly: false, unlimited: true });
  const lookPool = createPool(writer, { name: 'sequencer', max: 1, readOnly: false });
  const instance = await startInstance({ pool: lookPool, version: 'test', processors: [], logger: feed.logger });
  const rebuilds = startRebuilds({
    projections: rebuildables(modules),
    instance: instance.id,
    pool,
    lookPool,
    rowsOf,
    eventTypes: EVENT_TYPES,
    logger: feed.logger,
    everyMs: 50,
  });
  const close = async (): Promise<void> => {
    await Promise.all([pool.close(), lookPool.close()]);
  };
  let isOver = false;
  return {
    id: instance.id,
    /** Its connections break, as when its process is killed. */
    abandon: async () => {
      isOver = true;
      pool.cut();
      await rebuilds.stop(AbortSignal.abort());
      await instance.stop();
      await close();
    },
    [Symbol.asyncDispose]: async () => {
      if (isOver) return;
      await rebuilds.stop();
      await instance.stop();
      await close();
    },
  };
}

export const asModule = (...projections: readonly Projection[]) => [{ projections }];
