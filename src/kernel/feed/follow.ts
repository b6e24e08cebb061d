import type { Entry, Page, Rows, Tail } from './tail.ts';

/**
 * What a follower is told: it is about the places behind `after`, up to `through`, of which it wants `entry` and no other. Each begins where the one
 * before ended.
 */
export interface Span<E extends Entry> {
  readonly after: bigint;
  readonly through: bigint;
  /** None where there is nothing for it in these places. */
  readonly entry?: E;
  /** Only without an entry: the list has nothing behind `through` yet. */
  readonly caughtUp?: boolean;
}

/** A part of a list that a follower wants. */
export interface Part<E extends Entry> {
  /** The same for the same part. */
  readonly name: string;
  readonly has: (entry: E) => boolean;
  /** Entries of the part behind a place. `end` is a place up to which nothing is still to come. */
  readonly page: (read: Rows, after: bigint, end: bigint) => Promise<Page<E>>;
}

export interface Following<E extends Entry> {
  /** Behind which place it begins. Without one it begins at the end. */
  readonly after: bigint | undefined;
  readonly signal: AbortSignal;
  /** How long it is silent at most. */
  readonly heartbeatMs: number;
  /** Without it, the whole list. */
  readonly part?: Part<E> | undefined;
  /** How soon a follower of a part hears that there was nothing for it, in milliseconds. */
  readonly progressMs?: number;
}

/** How soon it is said how far the list was looked at in vain, in milliseconds. */
const PROGRESS = 1_000;

/**
 * Gives the entries behind a place in the order of the list, and goes on with those that come later, until the signal ends it. Says
 * once that it has caught up, and says it again whenever nothing has come for as long as the heartbeat.
 *
 * It takes one entry after the other from what is kept of the list, and holds none while its reader is busy; one that has fallen
 * behind that reads a page at a time. A slow reader costs no memory.
 */
export async function* follow<E extends Entry>(
  tail: Tail<E>,
  { after, signal, heartbeatMs, part, progressMs = PROGRESS }: Following<E>,
): AsyncGenerator<Span<E>> {
  await tail.started;
  /** Up to here everything was told. */
  let told = after ?? (await tail.last());
  /** Up to here there is nothing to tell. */
  let place = told;
  let hasCaughtUp = false;
  let spokeAt = performance.now();
  for (;;) {
    signal.throwIfAborted();
    const next = tail.next(place);
    if (next === 'not kept') {
      const { entries, end } = await (part ? partBehind(tail, part, place) : tail.page(place));
      for (const entry of entries) {
        signal.throwIfAborted();
        yield { after: told, through: entry.place, entry };
        told = entry.place;
      }
      place = end;
      if (part && place > told) {
        yield { after: told, through: place };
        told = place;
      }
      spokeAt = performance.now();
      continue;
    }
    if (next) {
      place = next.place;
      if (part && !part.has(next)) continue;
      yield { after: told, through: place, entry: next };
      told = place;
      spokeAt = performance.now();
      continue;
    }

    // What is read has an end, also where the list has nothing.
    if (tail.end > place) place = tail.end;
    const silentMs = performance.now() - spokeAt;
    const patienceMs = place > told ? progressMs : heartbeatMs;
    if (!hasCaughtUp || silentMs >= patienceMs) {
      yield { after: told, through: place, caughtUp: true };
      told = place;
      hasCaughtUp = true;
      spokeAt = performance.now();
    } else {
      await tail.news(patienceMs - silentMs, signal);
    }
  }
}

const partBehind = <E extends Entry>(tail: Tail<E>, part: Part<E>, place: bigint): Promise<Page<E>> =>
  tail.partOf(part.name, place, (read, end) => part.page(read, place, end));
