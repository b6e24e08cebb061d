import type pg from 'pg';
import type { Logger } from 'pino';
import { type Loop, loop } from '../../../kernel/background/loop.ts';
import type { DomainError } from '../../../kernel/bus/errors.ts';
import { SubscriptionNotFound, SubscriptionTakenOver } from '../subscription-errors.ts';

/** From the end of one look to the start of the next, in milliseconds. */
const POLL = 250;
/** Bounded, because the next look waits for this one, in milliseconds. */
const PATIENCE = 2_000;

const CONSUMERS = 'select name, consumer from cqrs.subscription where name = any($1)';

/** A stream that is the consumer of a subscription. */
interface Held {
  readonly name: string;
  readonly consumer: string;
  readonly onLost: (why: DomainError) => void;
}

export interface ConsumerWatch extends Pick<Loop, 'stop'> {
  /** Has `onLost` called when the subscription has another consumer or is gone, until the returned function is called. */
  readonly hold: (held: Held) => () => void;
}

/**
 * Tells streams when somebody else has become the consumer of their subscription, at whatever instance. One statement a look for all
 * streams, on the primary, and none while there are none. While the primary is unavailable nobody can take over.
 */
export function watchConsumers({
  primary,
  logger,
  pollMs = POLL,
}: {
  readonly primary: Pick<pg.Pool, 'query'>;
  readonly logger: Pick<Logger, 'warn' | 'info'>;
  readonly pollMs?: number;
}): ConsumerWatch {
  const streams = new Set<Held>();

  async function look(): Promise<void> {
    if (streams.size === 0) return;
    const looked = [...streams];
    const values = [[...new Set(looked.map(({ name }) => name))]];
    const statement = { text: CONSUMERS, values, query_timeout: PATIENCE } as pg.QueryConfig;
    const { rows } = await primary.query<{ name: string; consumer: string }>(statement);
    const consumers = new Map(rows.map(({ name, consumer }) => [name, consumer]));
    for (const { name, consumer, onLost } of looked) {
      const now = consumers.get(name);
      if (now === undefined) onLost(new SubscriptionNotFound(name));
      else if (now !== consumer) onLost(new SubscriptionTakenOver());
    }
  }

  function hold(held: Held): () => void {
    streams.add(held);
    return () => streams.delete(held);
  }

  const { stop } = loop({
    name: 'consumers of subscriptions',
    every: pollMs,
    round: look,
    outage: { logger, fails: 'consumers of subscriptions cannot be read', works: 'consumers of subscriptions are read again' },
  });
  return { hold, stop };
}
