import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Call } from '../bus/call.ts';
import type { ReadProjection } from '../bus/handler.ts';
import type { ReadPool } from '../database/read/read-side.ts';
import { readStatements } from '../database/read/read-statements.ts';
import { Reader } from '../database/read/reader.ts';
import { ProjectionBehind } from './errors.ts';

/** How long a query waits for the projections that it reads, in milliseconds. */
const PATIENCE = 5_000;
/** From one look to the next, in milliseconds: longer each time. */
const PAUSE = 3;
const LONGEST_PAUSE = 50;

/** One of the projections that has not handled all of the events on this database; no row when all have. Each event is found by its index. */
const BEHIND = sql<{ name: string }>`
  select name from unnest(${[]}::text[]) as wanted (name)
    where coalesce((select min(checkpoint) from cqrs.processor where processor.name = wanted.name), -1)
      < (select max(coalesce((select sequence from cqrs.feed where feed.position = seen.position), ${sql.lit(Number.MAX_SAFE_INTEGER)}))
          from unnest(${[]}::bigint[]) as seen (position)) limit 1`.compile(readStatements());

/**
 * Waits until the projections have handled events on the database that is read, given by their positions in cqrs.event. Rejects with ProjectionBehind when that
 * takes too long, and when the call is canceled.
 */
export async function untilHandled(
  source: ReadPool,
  { projections, positions, call }: { projections: readonly ReadProjection[]; positions: readonly bigint[]; call: Call },
): Promise<void> {
  const reader = new Reader(source, call.cancellation);
  const parameters = [projections.map(({ name }) => name), positions.map(String)];
  const deadline = performance.now() + PATIENCE;
  for (let pause = PAUSE; ; pause = Math.min(LONGEST_PAUSE, 2 * pause)) {
    const behind = await reader.row(BEHIND, parameters);
    if (!behind) return;
    if (performance.now() > deadline) throw new ProjectionBehind(behind.name);
    await sleep(pause);
  }
}

const NUMBERED = sql<{ position: string }>`
  select position from cqrs.feed where position = any (${[]}::bigint[]) order by sequence desc`.compile(readStatements());

/**
 * What the next query has to see of events that were told together, given by their positions: the one with the last number, where all have one; who has handled it
 * has handled the others. Until then, all of them.
 */
export async function lastOf(source: ReadPool, positions: readonly bigint[], call: Call): Promise<readonly bigint[]> {
  const rows = await new Reader(source, call.cancellation).rows(NUMBERED, [positions.map(String)]);
  const [last] = rows;
  return last && rows.length === positions.length ? [BigInt(last.position)] : positions;
}
