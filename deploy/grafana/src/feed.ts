import { CHOSEN, dashboard, lines, number, row } from './panels.ts';

export const feed = dashboard(
  'feed',
  {
    title: 'feed',
    description:
      'Whether events get their numbers, whether projections and reactors keep up with them, and whether timers are on time.',
  },
  [
    row('Numbers'),
    number({
      title: 'Oldest event without a number',
      unit: 's',
      width: 12,
      query: { expr: `max(cqrs_feed_unnumbered_age_seconds{${CHOSEN}})` },
      limits: { amber: 5, red: 30 },
    }),
    number({
      title: 'The last number',
      width: 12,
      query: { expr: `max(cqrs_feed_last_sequence{${CHOSEN}})` },
    }),
    lines({
      title: 'Events without a number',
      description: 'Counted up to 100,000.',
      queries: [{ expr: `max(cqrs_feed_unnumbered_events{${CHOSEN}})`, legend: 'events' }],
    }),
    lines({
      title: 'From commit to number',
      unit: 's',
      description: 'Of each round the commit that waited longest.',
      queries: [0.5, 0.99].map((q) => ({
        expr: `histogram_quantile(${q}, sum by (le) (rate(cqrs_feed_numbering_delay_seconds_bucket{${CHOSEN}}[$__rate_interval])))`,
        legend: `p${q * 100}`,
      })),
      target: 0.02,
    }),
    lines({
      title: 'Events numbered, a second',
      queries: [
        {
          expr: `sum by (instance) (rate(cqrs_feed_numbered_events_total{${CHOSEN}}[$__rate_interval]))`,
          legend: '{{instance}}',
        },
      ],
    }),
    lines({
      title: 'Rounds, a second',
      description: 'Busy: another session was numbering.',
      queries: [{ expr: `sum by (outcome) (rate(cqrs_feed_rounds_total{${CHOSEN}}[$__rate_interval]))`, legend: '{{outcome}}' }],
    }),
    lines({
      title: 'How long a round takes',
      unit: 's',
      queries: [0.5, 0.99].map((q) => ({
        expr: `histogram_quantile(${q}, sum by (le) (rate(cqrs_feed_round_duration_seconds_bucket{${CHOSEN}}[$__rate_interval])))`,
        legend: `p${q * 100}`,
      })),
    }),
    row('Projections and reactors'),
    lines({
      title: 'How far they are behind',
      unit: 's',
      queries: [{ expr: `max by (processor) (cqrs_processor_lag_seconds{${CHOSEN}})`, legend: '{{processor}}' }],
      target: 60,
    }),
    lines({
      title: 'Events behind',
      queries: [{ expr: `max by (processor) (cqrs_processor_lag_events{${CHOSEN}})`, legend: '{{processor}}' }],
    }),
    lines({
      title: 'Dead letters',
      description: 'Parked events, with those that wait behind them: `npx bicameral dead-letters list`.',
      queries: [{ expr: `max by (processor) (cqrs_dead_letters{${CHOSEN}})`, legend: '{{processor}}' }],
      target: 1,
    }),
    lines({
      title: 'Failing, or paused',
      unit: 's',
      description: 'For how long it has been failing; a paused one is at 1 s. `npx bicameral status` says why.',
      queries: [
        { expr: `max by (processor) (cqrs_processor_failing_seconds{${CHOSEN}})`, legend: '{{processor}} fails' },
        { expr: `max by (processor) (cqrs_processor_paused{${CHOSEN}})`, legend: '{{processor}} is paused' },
      ],
      target: 120,
    }),
    lines({
      title: 'Events handled, a second',
      queries: [
        {
          expr: `sum by (processor) (rate(cqrs_processor_events_total{${CHOSEN}}[$__rate_interval]))`,
          legend: '{{processor}}',
        },
      ],
    }),
    lines({
      title: 'Failures and dead letters, a second',
      queries: [
        {
          expr: `sum by (processor) (rate(cqrs_processor_failures_total{${CHOSEN}}[$__rate_interval]))`,
          legend: '{{processor}} failed',
        },
        {
          expr: `sum by (processor) (rate(cqrs_processor_parked_total{${CHOSEN}}[$__rate_interval]))`,
          legend: '{{processor}} parked',
        },
      ],
    }),
    lines({
      title: 'How long a batch takes: p99',
      unit: 's',
      queries: [
        {
          expr: `histogram_quantile(0.99, sum by (processor, le) (rate(cqrs_processor_batch_duration_seconds_bucket{${CHOSEN}}[$__rate_interval])))`,
          legend: '{{processor}}',
        },
      ],
    }),
    row('Timers'),
    lines({
      title: 'Commands that are sent later',
      description: 'Due: not done yet. Failed: `npx bicameral timers list --state failed` says why.',
      queries: [{ expr: `max by (process, state) (cqrs_timers{${CHOSEN}}) or vector(0)`, legend: '{{process}} {{state}}' }],
    }),
    lines({
      title: 'How late they are',
      unit: 's',
      description: 'For how long the oldest of those that are due has been so.',
      queries: [{ expr: `max by (process) (cqrs_timers_late_seconds{${CHOSEN}}) or vector(0)`, legend: '{{process}}' }],
      target: 60,
    }),
    lines({
      title: 'Commands of timers, a second',
      description: 'Refused and later: sent again. Failed: given up.',
      queries: [
        {
          expr: `sum by (process, outcome) (rate(cqrs_timers_fired_total{${CHOSEN}}[$__rate_interval])) or vector(0)`,
          legend: '{{process}} {{outcome}}',
        },
      ],
    }),
    lines({
      title: 'From due to done: p99',
      unit: 's',
      queries: [
        {
          expr: `histogram_quantile(0.99, sum by (process, le) (rate(cqrs_timer_delay_seconds_bucket{${CHOSEN}}[$__rate_interval]))) or vector(0)`,
          legend: '{{process}}',
        },
      ],
    }),
    row('Rebuilds and processes'),
    lines({
      title: 'Rebuilds and verifications that run',
      unit: 'percentunit',
      queries: [{ expr: `max by (projection) (cqrs_rebuild_done_ratio{${CHOSEN}}) or vector(0)`, legend: '{{projection}}' }],
    }),
    lines({
      title: 'Processes of the service',
      description: 'Gone: one that did not stop as it should, of the last hour.',
      queries: [{ expr: `max by (state) (cqrs_instances{${CHOSEN}})`, legend: '{{state}}' }],
    }),
  ],
);
