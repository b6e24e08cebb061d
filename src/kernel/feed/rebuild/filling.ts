import type { Registry } from '@bufbuild/protobuf';
import type pg from 'pg';
import type { AggregateRows } from '../../database/write/aggregate-rows.ts';
import type { AggregateType } from '../../database/write/aggregate-type.ts';

/** How far the tables have to be filled, as of a moment in which the live ones are not written. */
export interface Goal {
  /** The number of the last event. */
  readonly upTo: number;
  /** Of a projection in partitions: the last event of each. */
  readonly ofPartitions?: readonly number[];
}

/** How the tables of a job are filled. */
export interface Filling {
  /** Begins, in the transaction in which the tables are made. */
  begin(client: pg.ClientBase): Promise<void>;
  /** Fills them up to what the live ones have, or nearly. Goes on where it was. */
  fill(): Promise<void>;
  /** Reads how far the live tables are, in a transaction that keeps them from being written. */
  goal(client: pg.ClientBase): Promise<Goal>;
  /** Fills them up to exactly there, on one connection. */
  rest(client: pg.ClientBase, goal: Goal): Promise<void>;
  /** Tells who keeps the tables from now on, in the transaction of the swap. */
  handOver?(client: pg.ClientBase): Promise<void>;
}

/** What rebuilds work with. */
export interface RebuildTools {
  /** The primary, as the writer: two connections, without a limit of time for statements. */
  readonly pool: pg.Pool;
  /** The same, for short statements. */
  readonly lookPool: Pick<pg.Pool, 'query'>;
  readonly rowsOf: (type: AggregateType<object>) => AggregateRows;
  readonly eventTypes: Registry;
  /** Aborts when the instance stops. */
  readonly signal: AbortSignal;
}

/** The number of the last event that has one. */
export async function lastSequence(client: Pick<pg.Pool | pg.ClientBase, 'query'>): Promise<number> {
  const { rows } = await client.query<{ last: string }>('select last_sequence as last from cqrs.sequencer');
  return Number(rows[0]?.last ?? 0);
}

const AT_ONCE = 100_000;

/** Has every event numbered that is visible now; returns the last number. */
export async function numberAll(pool: Pick<pg.Pool, 'query'>): Promise<number> {
  for (;;) {
    const { rows } = await pool.query<{ numbered: number | null }>('select cqrs.number_events($1) as numbered', [AT_ONCE]);
    const numbered = rows[0]?.numbered ?? undefined;
    // Another instance is at it, and may have looked before.
    if (numbered === undefined) await new Promise((resolve) => setTimeout(resolve, 2));
    else if (numbered < AT_ONCE) return lastSequence(pool);
  }
}
