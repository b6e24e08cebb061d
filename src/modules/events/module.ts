import { Reader } from '../../kernel/database/read/reader.ts';
import { Tails } from '../../kernel/feed/tails.ts';
import { defineModule } from '../../kernel/module.ts';
import { subscriptionsOf } from './persistence/subscriptions.ts';
import { feedList } from './read-model/feed-entry.ts';
import { subscriptionByName } from './read-model/subscriptions.ts';
import { services } from './services.ts';
import { SubscriptionNotFound, SubscriptionTakenOver } from './subscription-errors.ts';
import { watchConsumers } from './subscriptions/consumer-watch.ts';

/** How often the end of the feed is looked at while somebody follows it and nothing is told, in milliseconds. */
const POLL = 250;

/**
 * The feed of events, for other services: every event in one order, numbered without gaps.
 *
 * ```ts
 * export const application: Application = { name: 'shop', modules: [orders, events], roles: { billing: ['events.read'] } };
 * ```
 */
export const events = defineModule({
  name: 'events',
  services,
  permissions: {
    'events.read': 'Read the feed of events, and have subscriptions',
    'events.personal': 'See the personal data in events',
    'events.write': 'Take over, acknowledge and delete the subscriptions of others',
  },
  start: ({ keys, eventTypes, news, databases, logger, onStop }) => {
    const consumers = watchConsumers({ primary: databases.watching, logger });
    onStop('consumers of subscriptions', consumers.stop);
    return {
      eventTypes,
      pageTokens: keys.pageTokens,
      tails: new Tails(feedList(eventTypes), { pollMs: POLL, news }),
      consumers,
      primary: databases.primary,
    };
  },
  owner: {
    subscription: async (name, { read }) => (await read.row(subscriptionByName, [name]))?.principal,
  },
  commandContext: (base, { work }) => ({ ...base, subscriptions: subscriptionsOf(work) }),
  queryContext: (_, { read, call: { cancellation }, parts: { pageTokens, eventTypes, tails, primary, consumers } }) => ({
    read,
    pageTokens,
    eventTypes,
    tails,
    consume: async (name, consumer) => {
      // Who has just opened it may not find it on a replica yet.
      const subscription = await new Reader(primary, cancellation).row(subscriptionByName, [name]);
      if (!subscription) throw new SubscriptionNotFound(name);
      if (subscription.consumer !== consumer.toLowerCase()) throw new SubscriptionTakenOver();
      const onLost = (why: Error): void => cancellation.cancel(why);
      const leave = consumers.hold({ name, consumer: subscription.consumer, onLost });
      return { place: BigInt(subscription.acknowledged), leave };
    },
  }),
});
