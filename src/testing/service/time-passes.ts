import { setTimeout as sleep } from 'node:timers/promises';
import { type Duration, millisecondsOf } from '../../kernel/feed/timers/duration.ts';
import type { TestDatabase } from './test-database.ts';

/** How long reactors may be behind, in milliseconds: only one that is paused or fails all the time meets it. */
const PATIENCE = 300_000;

/** Whether reactors and process managers have dealt with all that happened. */
const CAUGHT_UP = `select (select count(*) from cqrs.event) = (select count(*) from cqrs.feed)
  and not exists (select from cqrs.processor, cqrs.sequencer where kind = 'reactor' and checkpoint < last_sequence) as caught_up`;

const SOONER = `update cqrs.timer set due_at = due_at - $1 * interval '1 ms'`;

/** Lets time pass for every timer that what happened so far has set. */
export async function timePasses({ query }: Pick<TestDatabase, 'query'>, duration: Duration): Promise<void> {
  const ms = millisecondsOf(duration);
  for (const deadline = Date.now() + PATIENCE; ; await sleep(10)) {
    const [row] = await query<{ caught_up: boolean }>(CAUGHT_UP);
    if (row?.caught_up) break;
    if (Date.now() > deadline) throw new Error('reactors do not get on: one is paused, or fails; `service.log()` tells why');
  }
  await query(SOONER, [ms]);
}
