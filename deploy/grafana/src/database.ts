import { CHOSEN, dashboard, lines, number, row } from './panels.ts';

const UP = { 1: ['up', 'green'], 0: ['unavailable', 'red'] } as const;

export const database = dashboard(
  'database',
  {
    title: 'database and replicas',
    description: 'Whether they answer, how far replicas are behind, and what statements wait for.',
  },
  [
    row('Databases'),
    number({
      title: 'Which are up',
      description: 'As the instance sees it that sees it worst. A replica that is too far behind is unavailable.',
      width: 12,
      query: { expr: `min by (database) (cqrs_database_up{${CHOSEN}})`, legend: '{{database}}' },
      words: UP,
    }),
    number({
      title: 'Free where DATA_DIR is',
      unit: 'percentunit',
      width: 12,
      description: 'With the embedded PostgreSQL alone.',
      query: { expr: `cqrs_data_free_bytes{${CHOSEN}} / cqrs_data_size_bytes{${CHOSEN}}`, legend: '{{instance}}' },
      limits: { amber: 0.2, red: 0.1, descending: true },
    }),
    lines({
      title: 'How long replicas have been behind',
      unit: 's',
      description: 'From 10 seconds on, a replica is not read from.',
      queries: [{ expr: `max by (database) (cqrs_replica_lag_seconds{${CHOSEN}})`, legend: '{{database}}' }],
      target: 10,
    }),
    lines({
      title: 'WAL that replicas have not applied',
      unit: 'bytes',
      queries: [{ expr: `max by (database) (cqrs_replica_lag_bytes{${CHOSEN}})`, legend: '{{database}}' }],
    }),
    lines({
      title: 'Queries a second, by database',
      unit: 'reqps',
      queries: [
        { expr: `sum by (database) (rate(cqrs_query_served_total{${CHOSEN}}[$__rate_interval]))`, legend: '{{database}}' },
      ],
    }),
    lines({
      title: 'Left a database for another, a second',
      unit: 'reqps',
      queries: [
        { expr: `sum by (database) (rate(cqrs_query_fallback_total{${CHOSEN}}[$__rate_interval]))`, legend: '{{database}}' },
      ],
    }),
    row('Connections'),
    lines({
      title: 'Connections in use',
      unit: 'percentunit',
      description: 'Share of those that a pool may open.',
      queries: [
        {
          expr: `sum by (pool) (cqrs_pool_connections{state="used",${CHOSEN}}) / sum by (pool) (cqrs_pool_limit{${CHOSEN}})`,
          legend: '{{pool}}',
        },
      ],
      target: 1,
    }),
    lines({
      title: 'Calls that wait for a connection',
      queries: [{ expr: `sum by (pool) (cqrs_pool_waiting{${CHOSEN}})`, legend: '{{pool}}' }],
    }),
    lines({
      title: 'How long calls waited for a connection: p99',
      unit: 's',
      queries: [
        {
          expr: `histogram_quantile(0.99, sum by (le, pool) (rate(cqrs_pool_wait_seconds_bucket{${CHOSEN}}[$__rate_interval])))`,
          legend: '{{pool}}',
        },
      ],
    }),
    row('Statements'),
    lines({
      title: 'The ten slowest statements: p99',
      unit: 's',
      queries: [
        {
          expr: `topk(10, histogram_quantile(0.99, sum by (le, statement) (rate(cqrs_statement_duration_seconds_bucket{${CHOSEN}}[$__rate_interval]))))`,
          legend: '{{statement}}',
        },
      ],
    }),
    lines({
      title: 'The ten statements that take most time',
      description: 'Seconds of the database a second.',
      queries: [
        {
          expr: `topk(10, sum by (statement) (rate(cqrs_statement_duration_seconds_sum{${CHOSEN}}[$__rate_interval])))`,
          legend: '{{statement}}',
        },
      ],
    }),
    lines({
      title: 'Statements a second, by pool',
      unit: 'reqps',
      queries: [
        {
          expr: `sum by (pool) (rate(cqrs_statement_duration_seconds_count{${CHOSEN}}[$__rate_interval]))`,
          legend: '{{pool}}',
        },
      ],
    }),
    lines({
      title: 'Statements that failed, a second',
      unit: 'reqps',
      description: 'By SQLSTATE; "connection" where the server said nothing. XX and 58P01 are damage.',
      queries: [
        {
          expr: `sum by (sqlstate, pool) (rate(cqrs_statement_errors_total{${CHOSEN}}[$__rate_interval]))`,
          legend: '{{sqlstate}} {{pool}}',
        },
      ],
    }),
  ],
);
