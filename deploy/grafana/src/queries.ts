import { callPanels } from './calls.ts';
import { CHOSEN, dashboard, lines, row } from './panels.ts';

export const queries = dashboard(
  'queries',
  { title: 'queries', description: 'Requests for data: how many, how they end, how long they take, who answers them.' },
  [
    row('Calls'),
    ...callPanels('query'),
    row('Who answers'),
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
      description: 'Times that a database could not answer, or did not have what was asked for.',
      queries: [
        { expr: `sum by (database) (rate(cqrs_query_fallback_total{${CHOSEN}}[$__rate_interval]))`, legend: '{{database}}' },
      ],
    }),
    lines({
      title: 'With a consistency token, a second',
      unit: 'reqps',
      description: 'known: a replica had what the token tells of. waited: it had it in a moment. primary: none had it in time.',
      queries: [{ expr: `sum by (outcome) (rate(cqrs_query_token_total{${CHOSEN}}[$__rate_interval]))`, legend: '{{outcome}}' }],
    }),
    row('Cache'),
    lines({
      title: 'Answers from memory',
      unit: 'percentunit',
      description: 'Of the queries whose answers may be kept. The others read a database.',
      queries: [
        {
          expr: `sum by (method) (rate(cqrs_query_cache_total{result=~"hit|shared",${CHOSEN}}[$__rate_interval])) / sum by (method) (rate(cqrs_query_cache_total{${CHOSEN}}[$__rate_interval]))`,
          legend: '{{method}}',
        },
      ],
    }),
    lines({
      title: 'Memory of answers that are kept',
      unit: 'bytes',
      queries: [{ expr: `sum by (instance) (cqrs_query_cache_bytes{${CHOSEN}})`, legend: '{{instance}}' }],
    }),
    row('Streams'),
    lines({
      title: 'Open streams',
      queries: [
        { expr: `sum(cqrs_in_flight{kind="stream",${CHOSEN}})`, legend: 'open' },
        { expr: `sum(cqrs_in_flight_limit{kind="stream",${CHOSEN}})`, legend: 'may be open' },
      ],
    }),
    lines({
      title: 'Streams that were refused, a second',
      unit: 'reqps',
      queries: [{ expr: `sum(rate(cqrs_shed_total{kind="stream",${CHOSEN}}[$__rate_interval]))`, legend: 'refused' }],
    }),
  ],
);
