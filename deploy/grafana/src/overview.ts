import { dashboard, lines, number, row, table } from './panels.ts';

const KINDS = [
  { kind: 'command', plural: 'Commands', perSecond: 100, seconds: 0.5 },
  { kind: 'query', plural: 'Queries', perSecond: 1000, seconds: 0.1 },
];

/** Whether the service keeps its promises, for all instances together: red, amber, green. */
export const overview = dashboard(
  'overview',
  {
    title: 'overview',
    description: 'Whether the service keeps the promises of the decision, and what is wrong where it does not.',
  },
  [
    row('Does the service keep its promises?'),
    ...KINDS.flatMap(({ kind, plural, perSecond, seconds }) => [
      number({
        title: `${plural} a second and instance`,
        unit: 'reqps',
        description: `What is promised holds for up to ${perSecond} a second and instance. Amber from 80 % of that on; red: add an instance.`,
        query: { expr: `sum(rate(cqrs_${kind}_total[$__rate_interval])) / count(bicameral_build_info)` },
        limits: { amber: 0.8 * perSecond, red: perSecond },
      }),
      number({
        title: `${plural}: p99`,
        unit: 's',
        description: `Promised: below ${seconds * 1000} ms. Amber from half of that on.`,
        query: { expr: `kind:cqrs_duration_seconds:p99_rate5m{kind="${kind}"}` },
        limits: { amber: seconds / 2, red: seconds },
      }),
      number({
        title: `${plural} that failed`,
        unit: 'percentunit',
        description:
          'Failures of the service, of the last 5 minutes. Promised: less than one of a thousand. Red from six of a thousand on.',
        query: { expr: `kind:cqrs_failures:ratio_rate5m{kind="${kind}"}` },
        limits: { amber: 0.001, red: 0.006 },
      }),
    ]),
    row('Is it about to break them?'),
    ...KINDS.map(({ kind, plural }) =>
      number({
        title: `${plural}: budget left of 30 days`,
        unit: 'percentunit',
        width: 4,
        description:
          'Of the one failure in a thousand that is allowed. Below 0 the promise is broken, as far back as Prometheus keeps data.',
        query: {
          expr: `1 - avg_over_time(kind:cqrs_failures:rate5m{kind="${kind}"}[30d]) / (avg_over_time(kind:cqrs_calls:rate5m{kind="${kind}"}[30d]) > 0) / 0.001`,
        },
        limits: { amber: 0.5, red: 0, descending: true },
        instant: true,
      }),
    ),
    number({
      title: 'Instances that answer',
      unit: 'percentunit',
      query: { expr: 'sum(up{job="bicameral"}) / count(up{job="bicameral"})' },
      limits: { amber: 1, red: 0.5, descending: true },
    }),
    number({
      title: 'Primary',
      query: { expr: 'min(cqrs_database_up{database="primary"})' },
      words: { 1: ['up', 'green'], 0: ['unavailable', 'red'] },
    }),
    number({
      title: 'Replicas that are read from',
      description: 'Without one, the primary answers all queries.',
      query: { expr: 'count(min by (database) (cqrs_database_up{database!="primary"}) == 1) or vector(0)' },
      limits: { red: 1, descending: true },
    }),
    number({
      title: 'Oldest record without a seal',
      unit: 's',
      query: { expr: 'max(cqrs_log_unsealed_age_seconds)' },
      limits: { amber: 30, red: 120 },
    }),
    lines({
      title: 'How fast the budget burns',
      description:
        'Times the pace at which it would last 30 days. From 6 on for 6 hours, and from 14.4 on for an hour, somebody is paged.',
      queries: [
        { expr: 'kind:cqrs_failures:ratio_rate1h / 0.001', legend: '{{kind}}, 1 h' },
        { expr: 'kind:cqrs_failures:ratio_rate6h / 0.001', legend: '{{kind}}, 6 h' },
      ],
      target: 6,
    }),
    table({
      title: 'Alerts that fire',
      description: 'docs/runbooks/ has a page for each.',
      query: { expr: 'ALERTS{alertstate="firing"}' },
    }),
    row('What it does'),
    lines({
      title: 'Calls a second',
      unit: 'reqps',
      queries: KINDS.map(({ kind }) => ({ expr: `sum(rate(cqrs_${kind}_total[$__rate_interval]))`, legend: kind })),
    }),
    lines({
      title: 'Calls that failed, a second',
      unit: 'reqps',
      queries: [{ expr: 'kind:cqrs_failures:rate5m', legend: '{{kind}}' }],
    }),
    ...KINDS.map(({ kind, plural, seconds }) =>
      lines({
        title: `${plural}: how long they take`,
        unit: 's',
        description: 'The dashed line is the target of p99. A point is a call that was traced: choose it to see its trace.',
        queries: [0.5, 0.95, 0.99].map((q) => ({
          expr: `histogram_quantile(${q}, sum by (le) (rate(cqrs_${kind}_duration_seconds_bucket[$__rate_interval])))`,
          legend: `p${q * 100}`,
        })),
        target: seconds,
        exemplars: true,
      }),
    ),
    lines({
      title: 'Under way',
      queries: [{ expr: 'sum by (kind) (cqrs_in_flight)', legend: '{{kind}}' }],
    }),
    lines({
      title: 'Refused because too many were under way, a second',
      unit: 'reqps',
      queries: [{ expr: 'sum by (kind) (rate(cqrs_shed_total[$__rate_interval]))', legend: '{{kind}}' }],
    }),
  ],
);
