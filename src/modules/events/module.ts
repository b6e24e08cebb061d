import { defineModule } from '../../kernel/module.ts';
import { services } from './services.ts';

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
  start: ({ keys, eventTypes }) => ({ eventTypes, pageTokens: keys.pageTokens }),
  queryContext: (_, { read, parts: { pageTokens, eventTypes } }) => ({ read, pageTokens, eventTypes }),
});
