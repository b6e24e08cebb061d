import { callPanels } from './calls.ts';
import { CHOSEN, dashboard, lines, row } from './panels.ts';

const perSecond = (metric: string): string => `sum by (method) (rate(${metric}{${CHOSEN}}[$__rate_interval]))`;

export const commands = dashboard(
  'commands',
  { title: 'commands', description: 'Intentions to change something: how many, how they end, how long they take.' },
  [
    row('Calls'),
    ...callPanels('command'),
    row('What happens to them'),
    lines({
      title: 'Tried again, a second',
      unit: 'reqps',
      description: 'Attempts after the first, because another command was faster, and commands that gave up after ten.',
      queries: [
        { expr: perSecond('cqrs_command_retries_total'), legend: '{{method}}' },
        { expr: perSecond('cqrs_command_conflicts_total'), legend: '{{method}} gave up' },
      ],
    }),
    lines({
      title: 'Answered again, and rehearsed, a second',
      unit: 'reqps',
      description: 'By an idempotency key with what was answered before; and dry runs.',
      queries: [
        { expr: perSecond('cqrs_command_replayed_total'), legend: '{{method}} answered again' },
        { expr: perSecond('cqrs_command_dry_run_total'), legend: '{{method}} rehearsed' },
      ],
    }),
    lines({
      title: 'Guesses at secrets that were refused, a second',
      unit: 'reqps',
      queries: [{ expr: perSecond('cqrs_guesses_throttled_total'), legend: '{{method}}' }],
    }),
    lines({
      title: 'Passwords',
      description: 'Those that wait make log-ins and sign-ups slow.',
      queries: [
        { expr: `sum(cqrs_password_hash_running{${CHOSEN}})`, legend: 'being hashed' },
        { expr: `sum(cqrs_password_hash_waiting{${CHOSEN}})`, legend: 'waiting' },
      ],
    }),
  ],
);
