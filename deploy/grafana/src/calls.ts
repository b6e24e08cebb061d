import { CHOSEN, type LinesPanel, lines, type Query } from './panels.ts';

type Kind = 'command' | 'query';

const PLURAL = { command: 'Commands', query: 'Queries' } as const;
/** The targets of the decision for the slowest of a hundred calls, in seconds. */
const TARGET = { command: 0.5, query: 0.1 } as const;

/** What is shown of commands and of queries alike: how many, how they end, how long they take, where they are refused. */
export function callPanels(kind: Kind) {
  const total = `cqrs_${kind}_total{${CHOSEN}}`;
  const buckets = `cqrs_${kind}_duration_seconds_bucket{${CHOSEN}}`;
  const plural = PLURAL[kind];
  const quantile = (q: number, by: string): string =>
    `histogram_quantile(${q}, sum by (${by}) (rate(${buckets}[$__rate_interval])))`;
  const panel = (title: string, unit: string, queries: readonly Query[], more: Partial<LinesPanel> = {}) =>
    lines({ title: `${plural}: ${title}`, unit, queries, ...more });
  return [
    panel('calls a second, by rpc', 'reqps', [
      { expr: `sum by (method) (rate(${total}[$__rate_interval]))`, legend: '{{method}}' },
    ]),
    panel(
      'calls a second, by code',
      'reqps',
      [{ expr: `sum by (code) (rate(${total}[$__rate_interval]))`, legend: '{{code}}' }],
      {
        description:
          'UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and DATA_LOSS are failures of the service; the others are what callers did wrong.',
      },
    ),
    panel(
      'how long they take',
      's',
      [0.5, 0.95, 0.99].map((q) => ({ expr: quantile(q, 'le'), legend: `p${q * 100}` })),
      {
        description: 'The dashed line is the target of p99. A point is a call that was traced: choose it to see its trace.',
        target: TARGET[kind],
        exemplars: true,
      },
    ),
    panel('p99 by rpc', 's', [{ expr: quantile(0.99, 'le, method'), legend: '{{method}}' }], {
      target: TARGET[kind],
      exemplars: true,
    }),
    panel(
      'why calls failed',
      'reqps',
      [{ expr: `sum by (reason) (rate(cqrs_error_total{kind="${kind}",${CHOSEN}}[$__rate_interval]))`, legend: '{{reason}}' }],
      { description: 'By the reason of the error: docs/errors.md says what each means.' },
    ),
    panel(
      'under way, and refused',
      'short',
      [
        { expr: `sum(cqrs_in_flight{kind="${kind}",${CHOSEN}})`, legend: 'under way' },
        { expr: `sum(cqrs_in_flight_limit{kind="${kind}",${CHOSEN}})`, legend: 'may be under way' },
        { expr: `sum(rate(cqrs_shed_total{kind="${kind}",${CHOSEN}}[$__rate_interval]))`, legend: 'refused a second' },
      ],
      { description: 'What comes when all places are taken is refused with OVERLOADED.' },
    ),
  ];
}
