import { Tails } from '../../kernel/feed/tails.ts';
import { defineModule } from '../../kernel/module.ts';
import { feedList } from './read-model/feed-entry.ts';
import { services } from './services.ts';

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
    'events.read': 'Read the feed of events',
    'events.personal': 'See the personal data in events',
  },
  start: ({ keys, eventTypes, news }) => ({
    eventTypes,
    pageTokens: keys.pageTokens,
    tails: new Tails(feedList(eventTypes), { pollMs: POLL, news }),
  }),
  queryContext: (_, { read, parts: { pageTokens, eventTypes, tails } }) => ({ read, pageTokens, eventTypes, tails }),
});
