import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Logger } from 'pino';
import { type Loop, loop } from '../background/loop.ts';

/** The channel on which `cqrs.number_events` says what the last number is. */
const CHANNEL = 'cqrs_feed';
/** From the end of one look to the start of the next, in milliseconds: what was not heard of is seen then. */
const POLL = 250;
/** How long a look may take, in milliseconds. */
const PATIENCE = 2_000;

/** What an instance knows of the end of the feed, without asking for it. */
export interface FeedNews {
  /** The number of the last event, as the primary said last. */
  readonly lastSequence: number;
  /** Has `wake` called each time when there are new events, until the returned function is called. */
  readonly onNews: (wake: () => void) => () => void;
  /** Resolves when there is an event behind `after`, at once if there is, when the time is over, or when the signal aborts. Never rejects. */
  readonly wait: (after: number, options: { readonly ms: number; readonly signal?: AbortSignal }) => Promise<void>;
}

/** Of a program that follows no feed. */
export const NO_NEWS: FeedNews = {
  lastSequence: 0,
  onNews: () => () => {},
  wait: (_, { ms, signal }) => sleep(ms, undefined, { signal, ref: false }).catch(() => {}),
};

export interface RunningNews extends FeedNews, Pick<Loop, 'stop'> {}

/**
 * Listens on the primary, over connections of a pool that others use too: each of its connections listens as long as it lives. Beneath that the
 * last number is looked at four times a second, which also opens a connection again that was lost. So a notice that is missed, while
 * the primary changes or because a pooler stands between, is late and not lost.
 *
 * A replica may have less than the primary said: whoever reads there looks again when it found nothing.
 */
export function startNews({
  pool,
  logger,
  pollMs = POLL,
}: {
  readonly pool: pg.Pool;
  readonly logger: Pick<Logger, 'warn' | 'info'>;
  readonly pollMs?: number;
}): RunningNews {
  const listening = new WeakSet<pg.PoolClient>();
  const wakes = new Set<() => void>();
  let lastSequence = 0;

  /** What a connection says is in order; after a switchover to a replica that was behind, the feed may end earlier than before. */
  function hear(sequence: number): void {
    const isMore = sequence > lastSequence;
    lastSequence = sequence;
    if (isMore) for (const wake of [...wakes]) wake();
  }

  async function look(): Promise<void> {
    const client = await pool.connect();
    try {
      if (!listening.has(client)) await listen(client);
      const { rows } = await client.query<{ last: string }>(LOOK);
      hear(Number(rows[0]?.last ?? 0));
      client.release();
    } catch (error) {
      client.release(true);
      throw error;
    }
  }

  async function listen(client: pg.PoolClient): Promise<void> {
    client.on('notification', ({ channel, payload }) => {
      if (channel === CHANNEL) hear(Number(payload));
    });
    await client.query(`listen ${CHANNEL}`);
    listening.add(client);
  }

  const looking = loop({
    name: 'news of the feed',
    every: pollMs,
    outage: { logger, fails: 'the end of the feed cannot be read', works: 'the end of the feed is read again' },
    round: look,
  });

  function onNews(wake: () => void): () => void {
    wakes.add(wake);
    return () => wakes.delete(wake);
  }

  function wait(after: number, { ms, signal }: { ms: number; signal?: AbortSignal }): Promise<void> {
    if (lastSequence > after || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timeout);
        wakes.delete(wake);
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const wake = (): void => {
        if (lastSequence > after) end();
      };
      const timeout = setTimeout(end, ms).unref();
      wakes.add(wake);
      signal?.addEventListener('abort', end);
    });
  }

  return {
    get lastSequence() {
      return lastSequence;
    },
    onNews,
    wait,
    stop: looking.stop,
  };
}

const LOOK = {
  text: 'select last_sequence as last from cqrs.sequencer order by last_sequence desc limit 1',
  query_timeout: PATIENCE,
} as pg.QueryConfig;
