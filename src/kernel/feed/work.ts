import type pg from 'pg';
import { isAlive } from './instances.ts';
import { PROCESSOR_STATES, type ProcessorState } from './processors/processor-states.ts';
import { TIMER_COUNTS, type TimerCounts } from './timers/timer-counts.ts';

/** What reads the feed, and who does that, as the metrics tell it. */
export interface FeedWork {
  /** Those that an instance knows: a partition each. */
  readonly processors: readonly ProcessorState[];
  /** Of each projection the newest. */
  readonly rebuilds: readonly {
    readonly projection: string;
    readonly state: string;
    readonly done: string;
    readonly total: string;
  }[];
  readonly instances: { readonly alive: number; readonly gone: number };
  /** By who set them. */
  readonly timers: readonly TimerCounts[];
}

/** How long the database may take to answer, in milliseconds. */
const PATIENCE = 2_000;

const REBUILDS = `select distinct on (projection) projection, state, done, total from cqrs.rebuild
  order by projection, started_at desc, id desc`;
const INSTANCES = `select count(*) filter (where ${isAlive('instance')})::int as alive,
    count(*) filter (where not ${isAlive('instance')})::int as gone from cqrs.instance`;

/** Asks the primary. Rejects when it does not answer. */
export async function feedWork(primary: Pick<pg.Pool, 'query'>): Promise<FeedWork> {
  const ask = async <Row extends pg.QueryResultRow>(text: string): Promise<Row[]> => {
    const { rows } = await primary.query<Row>({ text, query_timeout: PATIENCE } as pg.QueryConfig);
    return rows;
  };
  const processors = await ask<ProcessorState>(PROCESSOR_STATES);
  const rebuilds = await ask<FeedWork['rebuilds'][number]>(REBUILDS);
  const [instances = { alive: 0, gone: 0 }] = await ask<FeedWork['instances']>(INSTANCES);
  const timers = await ask<TimerCounts>(TIMER_COUNTS);
  return { processors: processors.filter(({ known }) => known), rebuilds, instances, timers };
}
