import { Registry } from 'prom-client';
import { type SlowCall, slowest } from './slowest-calls.ts';

/** What prom-client tells of a metric: its values, and how those of several processes become one. */
export interface MetricSnapshot {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: string;
  readonly values: readonly Value[];
}

interface Value {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName?: string;
  readonly exemplar?: { readonly timestamp: number } | null;
}

/** The numbers of one process, or of all processes of an instance, at a moment. Plain data, fit to be sent between processes. */
export interface Snapshot {
  readonly metrics: readonly MetricSnapshot[];
  readonly slowest: readonly SlowCall[];
}

const TEXT = Registry.PROMETHEUS_CONTENT_TYPE;
const OPEN_METRICS = Registry.OPENMETRICS_CONTENT_TYPE;

/**
 * The page of a snapshot in the form that the reader takes: OpenMetrics 1.0, which has exemplars, the text format 0.0.4 of Prometheus,
 * or JSON for programs of ours.
 */
export async function metricsPage(
  { metrics, slowest }: Snapshot,
  accept: string,
): Promise<{ readonly contentType: string; readonly body: string }> {
  if (accept.includes('application/json')) {
    return { contentType: 'application/json', body: JSON.stringify({ metrics, slowest }) };
  }
  const contentType = accept.includes('application/openmetrics-text') ? OPEN_METRICS : TEXT;
  const registry = new Registry();
  registry.setContentType(contentType as typeof TEXT);
  for (const metric of metrics) {
    const isCounter = contentType === OPEN_METRICS && metric.type === 'counter';
    // There a counter is named without the suffix that its values have.
    const named = isCounter ? { ...metric, name: metric.name.replace(/_total$/, '') } : metric;
    registry.registerMetric({ ...named, get: async () => named } as never);
  }
  return { contentType, body: await registry.metrics() };
}

const REDUCERS: Readonly<Record<string, (one: number, other: number) => number>> = {
  sum: (one, other) => one + other,
  average: (one, other) => one + other,
  max: Math.max,
  min: Math.min,
  first: (one) => one,
};

/** The numbers of several processes as those of one. */
export function merged(snapshots: readonly Snapshot[]): Snapshot {
  const byName = Map.groupBy(
    snapshots.flatMap(({ metrics }) => metrics),
    ({ name }) => name,
  );
  return {
    metrics: [...byName.values()].flatMap((metrics) => mergedMetric(metrics)),
    slowest: slowest(snapshots.flatMap((snapshot) => snapshot.slowest)),
  };
}

/** What a process that has ended leaves behind: counts go on, or they would seem to begin anew. */
export function counts({ metrics }: Snapshot): Snapshot {
  return { metrics: metrics.filter(({ type }) => type === 'counter' || type === 'histogram'), slowest: [] };
}

function mergedMetric(metrics: readonly MetricSnapshot[]): MetricSnapshot[] {
  const [first] = metrics;
  if (!first || first.aggregator === 'omit') return [];
  const reduce = REDUCERS[first.aggregator] ?? REDUCERS.sum;
  const series = new Map<string, { value: Value; of: number }>();
  for (const value of metrics.flatMap(({ values }) => values)) {
    const key = `${value.metricName ?? ''} ${JSON.stringify(Object.entries(value.labels).sort())}`;
    const known = series.get(key);
    if (!known || !reduce) series.set(key, { value, of: 1 });
    else series.set(key, { value: together(known.value, value, reduce), of: known.of + 1 });
  }
  const values = [...series.values()].map(({ value, of }) =>
    first.aggregator === 'average' ? { ...value, value: value.value / of } : value,
  );
  return [{ ...first, values }];
}

/** With the newer exemplar of the two. */
function together(one: Value, other: Value, reduce: (one: number, other: number) => number): Value {
  const isNewer = (other.exemplar?.timestamp ?? 0) > (one.exemplar?.timestamp ?? 0);
  const exemplar = isNewer ? other.exemplar : one.exemplar;
  return { ...one, value: reduce(one.value, other.value), ...(exemplar && { exemplar }) };
}
