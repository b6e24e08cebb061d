import type { Registry } from 'prom-client';

interface HistogramOptions<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly Label[];
  /** Ascending; above the last is one more. */
  readonly buckets: readonly number[];
  readonly registry: Pick<Registry, 'registerMetric'>;
}

interface Exemplar {
  readonly labelSet: { readonly trace_id: string };
  readonly value: number;
  /** In seconds since the epoch. */
  readonly timestamp: number;
}

/** One series of a histogram, kept by whoever observes it. */
export class Series {
  readonly #edges: readonly number[];
  readonly counts: number[];
  readonly exemplars: (Exemplar | undefined)[];
  sum = 0;
  count = 0;

  constructor(edges: readonly number[]) {
    this.#edges = edges;
    this.counts = Array.from({ length: edges.length + 1 }, () => 0);
    this.exemplars = [];
  }

  /** With a trace id, the value is an example for all in its bucket. */
  observe(value: number, traceId?: string): void {
    const edges = this.#edges;
    let bucket = 0;
    while (bucket < edges.length && value > (edges[bucket] ?? 0)) bucket += 1;
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.sum += value;
    this.count += 1;
    if (traceId !== undefined) this.exemplars[bucket] = { labelSet: { trace_id: traceId }, value, timestamp: Date.now() / 1000 };
  }
}

/**
 * A histogram for what every call observes: who has its series observes for some ten nanoseconds, where prom-client's looks it up by a
 * text that it makes of the labels each time (`npm run bench -- middleware`). It is a metric of a registry of prom-client's like any other.
 */
export class BoundHistogram<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly type = 'histogram';
  readonly aggregator = 'sum';
  readonly labelNames: readonly Label[];
  readonly #edges: readonly number[];
  readonly #series = new Map<string, { readonly labels: Readonly<Record<Label, string>>; readonly series: Series }>();

  constructor({ name, help, labelNames, buckets, registry }: HistogramOptions<Label>) {
    this.name = name;
    this.help = help;
    this.labelNames = labelNames;
    this.#edges = buckets;
    registry.registerMetric(this as never);
  }

  /** The series with these labels: from now on it is there, at 0. */
  series(labels: Readonly<Record<Label, string>>): Series {
    const key = JSON.stringify(this.labelNames.map((name) => labels[name]));
    let known = this.#series.get(key);
    if (!known) {
      known = { labels, series: new Series(this.#edges) };
      this.#series.set(key, known);
    }
    return known.series;
  }

  /** In the form in which prom-client tells of its own. */
  async get() {
    const { name, help, type, aggregator } = this;
    const values = [...this.#series.values()].flatMap(({ labels, series }) => {
      let upTo = 0;
      const buckets = series.counts.map((count, bucket) => {
        upTo += count;
        const le = this.#edges[bucket] ?? '+Inf';
        return { metricName: `${name}_bucket`, value: upTo, labels: { le, ...labels }, exemplar: series.exemplars[bucket] };
      });
      const sum = { metricName: `${name}_sum`, value: series.sum, labels };
      return [...buckets, sum, { metricName: `${name}_count`, value: series.count, labels }];
    });
    return { name, help, type, aggregator, values };
  }

  /** How many values each series has, as a counter of the name: who counts and measures the same does it once. */
  counter({ name, help, registry }: Pick<HistogramOptions<Label>, 'name' | 'help' | 'registry'>): void {
    const { labelNames, aggregator } = this;
    const get = async () => {
      const values = [...this.#series.values()].map(({ labels, series }) => ({ value: series.count, labels }));
      return { name, help, type: 'counter', aggregator, values };
    };
    registry.registerMetric({ name, help, type: 'counter', labelNames, aggregator, get } as never);
  }
}
