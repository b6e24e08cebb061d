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

/** One of the projections that has not handled the event on this database; no row when all have. */
const BEHIND = sql<{ name: string }>`
  select name from unnest(${[]}::text[]) as wanted (name)
    where coalesce((select min(checkpoint) from cqrs.processor where processor.name = wanted.name), -1)
      < coalesce((select sequence from cqrs.feed where position = ${''}::bigint), ${sql.lit(Number.MAX_SAFE_INTEGER)}) limit 1`.compile(
  readStatements(),
);

/**
 * Waits until the projections have handled an event on the database that is read, given by its position in cqrs.event. Rejects with ProjectionBehind when that
 * takes too long, and when the call is canceled.
 */
export async function untilHandled(
  source: ReadPool,
  { projections, position, call }: { projections: readonly ReadProjection[]; position: bigint; call: Call },
): Promise<void> {
  const reader = new Reader(source, call.cancellation);
  const parameters = [projections.map(({ name }) => name), String(position)];
  const deadline = performance.now() + PATIENCE;
  for (let pause = PAUSE; ; pause = Math.min(LONGEST_PAUSE, 2 * pause)) {
    const behind = await reader.row(BEHIND, parameters);
    if (!behind) return;
    if (performance.now() > deadline) throw new ProjectionBehind(behind.name);
    await sleep(pause);
  }
}
