import type { Entry, LogFeed } from './log-feed.ts';

/** What comes from the log: a record, or that nothing is behind this place yet. */
export type LogEntry = Entry | { readonly caughtUp: bigint };

/**
 * Gives the sealed records behind a place in the order of the log, and goes on with those that are sealed later, until the signal
 * ends it. Without a place it begins at the end. Says once that it has caught up, and says it again whenever nothing has come for as
 * long as the heartbeat.
 *
 * It takes one record after the other from what is kept of the log, and holds none while its reader is busy; one that has fallen
 * behind that reads a page at a time. A slow reader costs no memory.
 */
export async function* followLog(
  feed: LogFeed,
  { after, signal, heartbeatMs }: { after: bigint | undefined; signal: AbortSignal; heartbeatMs: number },
): AsyncGenerator<LogEntry> {
  await feed.started;
  let place = after ?? (await feed.last());
  let hasCaughtUp = false;
  let spokeAt = performance.now();
  for (;;) {
    signal.throwIfAborted();
    const next = feed.next(place);
    if (next === 'not kept') {
      const { entries, end } = await feed.page(place);
      for (const entry of entries) {
        signal.throwIfAborted();
        yield entry;
        spokeAt = performance.now();
      }
      place = end;
      continue;
    }
    if (next) {
      yield next;
      place = next.place;
      spokeAt = performance.now();
      continue;
    }

    const silentMs = performance.now() - spokeAt;
    if (!hasCaughtUp || silentMs >= heartbeatMs) {
      yield { caughtUp: place };
      hasCaughtUp = true;
      spokeAt = performance.now();
    } else {
      await feed.news(heartbeatMs - silentMs, signal);
    }
  }
}
