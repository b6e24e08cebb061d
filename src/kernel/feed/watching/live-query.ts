import { DatabaseUnavailable } from '../../bus/errors.ts';
import type { PageTokens } from '../../bus/page-token.ts';
import type { Reader } from '../../database/read/reader.ts';
import type { News, Tail } from '../tail.ts';
import { Tails } from '../tails.ts';
import {
  type Change,
  type ChangedPage,
  changesOf,
  FIRST_ID,
  type ReadChanged,
  readChangedOf,
  type WatchedTable,
} from './changes.ts';
import { Hub } from './hub.ts';
import { type ResumeTokens, resumeTokens } from './resume-token.ts';
import { outcomeOf, type WatchedList } from './watched-list.ts';
import { Watcher } from './watcher.ts';

/** What somebody who watches a list is told. */
export type Told<Row> = {
  /** Goes on behind this and everything before it; empty where nothing can go on yet. */
  readonly resumeToken: string;
} & (
  | { readonly kind: 'snapshot' | 'upsert'; readonly row: Row }
  | { readonly kind: 'removed'; readonly id: string }
  | { readonly kind: 'caughtUp' | 'heartbeat' }
);

/** How somebody watches a list. */
export interface Watching {
  /** Where to go on: a token that this list gave, or ''. */
  readonly resumeToken: string;
  readonly signal: AbortSignal;
  /** How long it is silent at most, in milliseconds. */
  readonly heartbeatMs?: number;
}

/** A read model that can be watched by any number of streams. */
export interface LiveQuery<Row> {
  /**
   * Tells the rows of a list, that it has caught up, and then what becomes of them, until the signal ends it. Throws ResumeTokenInvalid.
   */
  readonly watch: (read: LiveReader, list: WatchedList<Row>, watching: Watching) => AsyncGenerator<Told<Row>>;
}

type LiveReader = Pick<Reader, 'name' | 'endingWith'>;

/** How long a stream may be silent, in milliseconds. */
const HEARTBEAT = 10_000;
/** How often the end of the feed is looked at while somebody watches and nothing is told, in milliseconds. */
const POLL = 250;
/** How long a database may take to have what a token tells of, in milliseconds. */
const PATIENCE = 10_000;
/** How often it is looked at meanwhile, in milliseconds. */
const LOOK = 20;
/** How many places of the feed are put together for somebody who is far behind. */
const STRIDE = 100_000n;

/**
 * Makes a read model watchable. All streams on a database are served by one reader of its feed; each keeps no more than the latest changes of some
 * aggregates, and one that falls behind further reads what has changed when it is ready for it.
 *
 * ```ts
 * start: ({ news, keys }) => ({ liveOrders: liveQuery(watchedOrders, { news, pageTokens: keys.pageTokens }) }),
 * ```
 */
export function liveQuery<Row extends object>(
  watched: WatchedTable<Row>,
  { news, pageTokens }: { readonly news: News; readonly pageTokens: PageTokens },
): LiveQuery<Row> {
  const changes = changesOf(watched);
  const tails = new Tails(changes, { pollMs: POLL, news });
  const readChanged = readChangedOf(watched);
  const hubs = new WeakMap<Tail<Change<Row>>, Hub<Row>>();

  async function* watch(read: LiveReader, list: WatchedList<Row>, watching: Watching): AsyncGenerator<Told<Row>> {
    const tokens = resumeTokens(pageTokens, [watched.table, ...list.identity]);
    const from = tokens.open(watching.resumeToken);
    const { tail, leave } = tails.join(read);
    try {
      await tail.started;
      const hub = hubs.get(tail) ?? new Hub(tail);
      hubs.set(tail, hub);
      const parts = {
        tail,
        tokens,
        list,
        name: JSON.stringify(list.identity),
        readChanged,
        pageSize: changes.pageSize,
        ...watching,
      };
      let place = from?.place ?? tail.end;
      if (!from || from.key) {
        await reached(tail, place, watching.signal);
        yield* snapshot(parts, { place, key: from?.key });
      } else {
        place = yield* behind(parts, place);
      }
      place = yield* toTheEnd(parts, place);
      let hasCaughtUp = false;
      for (;;) {
        place = yield* behind(parts, place);
        // From here until the watcher has joined, nothing is waited for: it hears of all that comes behind the place.
        if (tail.next(place) !== undefined) continue;
        if (tail.end > place) place = tail.end;
        const watcher = new Watcher<Row>(place);
        const quit = hub.join(watcher, parts);
        try {
          if (!hasCaughtUp) yield { kind: 'caughtUp', resumeToken: tokens.seal({ place }) };
          hasCaughtUp = true;
          place = yield* live(parts, watcher, place);
        } finally {
          quit();
        }
      }
    } finally {
      leave();
    }
  }
  return { watch };
}

interface Parts<Row> extends Watching {
  readonly tail: Tail<Change<Row>>;
  readonly tokens: ResumeTokens;
  readonly list: WatchedList<Row>;
  readonly name: string;
  readonly readChanged: ReadChanged<Row>;
  /** Of a page of the tail. */
  readonly pageSize: number;
}

/** Until the database has what the token tells of: rows that are read after that are no older. */
async function reached<Row>(tail: Tail<Change<Row>>, place: bigint, signal: AbortSignal): Promise<void> {
  const began = performance.now();
  while (tail.end < place) {
    if (performance.now() - began > PATIENCE) throw new DatabaseUnavailable();
    await tail.news(LOOK, signal);
    signal.throwIfAborted();
    tail.throwFailure();
  }
}

/** The rows of the list, each at least as new as the place. A token goes with the last row of a page. */
async function* snapshot<Row>(
  { tail, tokens, list, name, signal }: Parts<Row>,
  { place, key }: { place: bigint; key: readonly string[] | undefined },
): AsyncGenerator<Told<Row>> {
  let after = key;
  do {
    const from = after;
    const { rows, next } = await tail.partOf(`${name} ${JSON.stringify(from)}`, place, (read) => list.page(read, from));
    for (const [index, row] of rows.entries()) {
      signal.throwIfAborted();
      const isLast = index === rows.length - 1;
      yield { kind: 'snapshot', row, resumeToken: isLast && next ? tokens.seal({ place, key: next }) : '' };
    }
    after = next;
  } while (after);
}

/** What has changed behind a place, up to what the tail has read; returns up to where it was told. */
async function* behind<Row>(parts: Parts<Row>, from: bigint): AsyncGenerator<Told<Row>, bigint> {
  const { tail, tokens, list, signal } = parts;
  let place = from;
  for (;;) {
    signal.throwIfAborted();
    const next = tail.next(place);
    if (next === undefined) return place;
    if (next === 'not kept') {
      place = yield* toTheEnd(parts, yield* farBehind(parts, place));
      continue;
    }
    place = next.place;
    const outcome = outcomeOf(list, next);
    if (outcome) yield told(next, outcome, tokens.seal({ place }));
  }
}

/**
 * What has changed in the part of the feed behind a place that is no longer kept, each aggregate once, as it is when it is told. No token comes
 * before the end: what was told is not in the order of the feed.
 */
async function* farBehind<Row>(
  { tail, list, name, readChanged, signal }: Parts<Row>,
  after: bigint,
): AsyncGenerator<Told<Row>, bigint> {
  const through = after + STRIDE < tail.end ? after + STRIDE : tail.end;
  const part = list.ids ? name : '';
  let behind: string | undefined = FIRST_ID;
  while (behind !== undefined) {
    const range: Parameters<ReadChanged<Row>>[1] = { after, through, ids: list.ids, behind };
    const { changes, next }: ChangedPage<Row> = await tail.partOf(`${through} ${behind} ${part}`, after, (read) =>
      readChanged(read, range),
    );
    for (const change of changes) {
      const outcome = outcomeOf(list, change);
      if (!outcome) continue;
      signal.throwIfAborted();
      yield told(change, outcome, '');
    }
    signal.throwIfAborted();
    behind = next;
  }
  return through;
}

/**
 * What has changed behind a place, read by statements that begin now, until one sees the end of the feed. What is kept may have been read before the
 * rows that were told last; what comes behind this end is not.
 */
async function* toTheEnd<Row>(
  { tail, tokens, list, pageSize, signal }: Parts<Row>,
  from: bigint,
): AsyncGenerator<Told<Row>, bigint> {
  let place = from;
  for (;;) {
    signal.throwIfAborted();
    const { entries, end } = await tail.page(place);
    for (const change of entries) {
      const outcome = outcomeOf(list, change);
      if (!outcome) continue;
      signal.throwIfAborted();
      yield told(change, outcome, tokens.seal({ place: change.place }));
    }
    const places = end - place;
    place = end;
    if (places < pageSize) return place;
  }
}

/** What comes, until the watcher has fallen behind; returns up to which place it was told. */
async function* live<Row>(
  { tail, tokens, signal, heartbeatMs = HEARTBEAT }: Parts<Row>,
  watcher: Watcher<Row>,
  from: bigint,
): AsyncGenerator<Told<Row>, bigint> {
  let place = from;
  let spokeAt = performance.now();
  for (;;) {
    signal.throwIfAborted();
    tail.throwFailure();
    if (watcher.isBehind) return place;
    const pending = watcher.take();
    // Whatever the tail has read by now was offered.
    if (tail.end > place) place = tail.end;
    for (const [index, { change, outcome }] of pending.entries()) {
      signal.throwIfAborted();
      yield told(change, outcome, index === pending.length - 1 ? tokens.seal({ place }) : '');
    }
    if (pending.length > 0) spokeAt = performance.now();
    const silentMs = performance.now() - spokeAt;
    if (silentMs >= heartbeatMs) {
      yield { kind: 'heartbeat', resumeToken: tokens.seal({ place }) };
      spokeAt = performance.now();
    } else {
      await watcher.wait(heartbeatMs - silentMs, signal);
    }
  }
}

function told<Row>({ id, row }: Change<Row>, outcome: 'upsert' | 'removed', resumeToken: string): Told<Row> {
  return outcome === 'upsert' && row ? { kind: 'upsert', row, resumeToken } : { kind: 'removed', id, resumeToken };
}
