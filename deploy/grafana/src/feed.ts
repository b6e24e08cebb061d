import { CHOSEN, dashboard, lines, number, row } from './panels.ts';

export const feed = dashboard('feed', { title: 'feed', description: 'Whether events get their numbers, and how soon.' }, [
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
]);
