import { defineModule } from '../../kernel/module.ts';
import { deadLettersOf } from './persistence/dead-letters.ts';
import { processorsOf } from './persistence/processors.ts';
import { rebuildsOf } from './persistence/rebuilds.ts';
import { timersOf } from './persistence/timers.ts';
import { services } from './services.ts';

/**
 * How the service does, and what its operators do about it: processors that are paused, projections that are rebuilt, events that could
 * not be handled, commands that are sent later.
 *
 * Its commands change rows that the background work obeys. These are no aggregates and no facts of the business: they store no events,
 * which every processor would have to read, and the log of commands says who did what.
 *
 * ```ts
 * export const application: Application = {
 *   name: 'shop',
 *   modules: [orders, operations],
 *   roles: { operator: ['operations.read', 'operations.write'] },
 * };
 * ```
 */
export const operations = defineModule({
  name: 'operations',
  services,
  permissions: {
    'operations.read': 'See how the service does',
    'operations.write':
      'Pause processors, rebuild projections, retry or discard events that could not be handled, retry or cancel timers',
  },
  start: ({ keys, projections, databases, log }) => ({
    pageTokens: keys.pageTokens,
    projections,
    databases: databases.states,
    heldUpBy: log.heldUpBy,
  }),
  commandContext: (base, { work, parts: { projections } }) => ({
    ...base,
    projections,
    processors: processorsOf(work),
    rebuilds: rebuildsOf(work),
    deadLetters: deadLettersOf(work),
    timers: timersOf(work),
  }),
  queryContext: (base, { read, parts }) => ({ ...base, ...parts, read }),
});
