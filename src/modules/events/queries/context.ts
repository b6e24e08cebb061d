import type { Registry } from '@bufbuild/protobuf';
import type { PageTokens } from '../../../kernel/bus/page-token.ts';
import type { QueryContext } from '../../../kernel/bus/query.ts';
import type { Reader } from '../../../kernel/database/read/reader.ts';
import type { Tails } from '../../../kernel/feed/tails.ts';
import type { FeedEntry } from '../read-model/feed-entry.ts';

/** What the queries of this module are given. */
export interface EventsQueryContext extends QueryContext {
  readonly read: Reader;
  readonly pageTokens: PageTokens;
  /** The types of all events that modules store. */
  readonly eventTypes: Registry;
  /** What streams follow the feed by. */
  readonly tails: Tails<FeedEntry>;
  /**
   * Has the stream be a consumer of a subscription until it leaves; the call ends when another one takes over. Throws SubscriptionNotFound and
   * SubscriptionTakenOver.
   */
  readonly consume: (subscription: string, consumer: string) => Promise<Consuming>;
}

export interface Consuming {
  /** Where the subscription is. */
  readonly place: bigint;
  readonly leave: () => void;
}
