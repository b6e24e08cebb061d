import type { MetricSnapshot, Snapshot } from '../../kernel/telemetry/metrics/snapshot.ts';

/** The numbers of a running service at a moment. */
export class Sample {
  /** In milliseconds, from any start. */
  readonly at: number;
  readonly slowest: Snapshot['slowest'];
  readonly #metrics: ReadonlyMap<string, MetricSnapshot>;

  constructor({ metrics, slowest }: Snapshot, at: number) {
    this.at = at;
    this.slowest = slowest;
    this.#metrics = new Map(metrics.map((metric) => [metric.name, metric]));
  }

  /** The sum of all series of a metric that have these labels; 0 when there is none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.#values(name).reduce((sum, one) => (matches(one.labels, labels) ? sum + one.value : sum), 0);
  }

  /** Every series of a metric that has one: its labels and its value. */
  series(name: string): readonly { readonly labels: Readonly<Record<string, string | number>>; readonly value: number }[] {
    return this.#values(name);
  }

  /** Of a histogram: how many values were at most each edge, of all series with these labels together. Edges ascend; the last is Infinity. */
  buckets(name: string, labels: Readonly<Record<string, string>>): readonly { readonly edge: number; readonly count: number }[] {
    const counts = new Map<number, number>();
    for (const { labels: own, value, metricName } of this.#values(name)) {
      if (metricName !== `${name}_bucket` || !matches(own, labels)) continue;
      const edge = own.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(own.le);
      counts.set(edge, (counts.get(edge) ?? 0) + value);
    }
    return [...counts].map(([edge, count]) => ({ edge, count })).sort((one, other) => one.edge - other.edge);
  }

  #values(name: string): MetricSnapshot['values'] {
    return this.#metrics.get(name)?.values ?? [];
  }
}

function matches(own: Readonly<Record<string, string | number>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([name, value]) => own[name] === value);
}
