import { setTimeout as sleep } from 'node:timers/promises';
import type { Reader } from '../../../postgres/reader/reader.ts';
import type { RecordRow } from '../read-model/command-log.ts';
import { placesAfter, recordsAt, SEALED_PAGE } from '../read-model/sealed-records.ts';

/** What comes from the log: a record, or that nothing is behind this place yet. */
export type LogEntry = { readonly record: RecordRow } | { readonly caughtUp: bigint };

/** How often the log is asked when nothing comes, and how long nothing may be said, in milliseconds. */
export interface Pace {
  readonly pollMs: number;
  readonly heartbeatMs: number;
}

/**
 * Gives the sealed records behind a place in the order of the log, and goes on with those that are sealed later, until the signal
 * ends it. Says once that it has caught up, and says it again whenever nothing has come for as long as the heartbeat.
 *
 * Places have no gaps and are given in the order of commits, so that nothing can appear behind a place that was passed. It holds one
 * page, and reads the next one when that was taken: a slow reader costs no memory.
 */
export async function* followLog(
  read: Pick<Reader, 'rows'>,
  { after, signal, pace }: { after: bigint; signal: AbortSignal; pace: Pace },
): AsyncGenerator<LogEntry> {
  let place = after;
  let hasCaughtUp = false;
  let spokeAt = performance.now();
  for (;;) {
    signal.throwIfAborted();
    const places = await read.rows(placesAfter, [String(place)]);
    for (const record of places.length > 0 ? await read.rows(recordsAt(places)) : []) {
      yield { record };
      spokeAt = performance.now();
    }
    place = BigInt(places.at(-1)?.sequence ?? place);
    if (places.length === SEALED_PAGE) continue;

    if (!hasCaughtUp || performance.now() - spokeAt >= pace.heartbeatMs) {
      yield { caughtUp: place };
      hasCaughtUp = true;
      spokeAt = performance.now();
    }
    // Ended early by the signal alone, which is looked at above.
    await sleep(pace.pollMs, undefined, { signal }).catch(() => undefined);
  }
}
