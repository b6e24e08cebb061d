import { setTimeout as sleep } from 'node:timers/promises';
import { type HrTime, ValueType } from '@opentelemetry/api';
import { ExportResultCode, getNumberFromEnv, getStringFromEnv, millisToHrTime } from '@opentelemetry/core';
import type { Resource } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  DataPointType,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics';
import type { Logger } from 'pino';
import type { MetricSnapshot, Snapshot } from './snapshot.ts';

/** How often metrics are sent, in milliseconds: OTEL_METRIC_EXPORT_INTERVAL. */
const INTERVAL = 60_000;
/** How long a collector may take, and the last metrics at the end of the program, in milliseconds. */
const PATIENCE = 10_000;
const FAREWELL = 1_000;

export interface PushOptions {
  readonly takeSnapshot: () => Promise<Snapshot>;
  /** What this process is. */
  readonly resource: Resource;
  readonly logger: Pick<Logger, 'warn' | 'info'>;
}

/**
 * Sends the numbers of the page to a collector by OTLP, as the variables `OTEL_*` say. They are the same under the same names, but for
 * `rpc.server.call.duration`, which has the name and the attributes that the semantic conventions give it.
 *
 * They are cumulative: what a collector that was away has missed is in the next numbers.
 */
export async function pushMetrics({
  takeSnapshot,
  resource,
  logger,
}: PushOptions): Promise<{ readonly shutdown: () => Promise<void> }> {
  const startTime = millisToHrTime(Date.now());
  const scope = { name: 'bicameral' };
  const reader = new PeriodicExportingMetricReader({
    exporter: reporting(await metricExporter(), logger),
    exportIntervalMillis: getNumberFromEnv('OTEL_METRIC_EXPORT_INTERVAL') || INTERVAL,
    exportTimeoutMillis: Math.min(PATIENCE, getNumberFromEnv('OTEL_METRIC_EXPORT_INTERVAL') || INTERVAL),
    metricProducers: [
      {
        collect: async () => {
          const { metrics } = await takeSnapshot();
          const times = { startTime, endTime: millisToHrTime(Date.now()) };
          const data = metrics.map((metric) => metricData(metric, times));
          return { resourceMetrics: { resource, scopeMetrics: [{ scope, metrics: data }] }, errors: [] };
        },
      },
    ],
  });
  const provider = new MeterProvider({ resource, readers: [reader] });
  return {
    // Whatever the collector does: the exporter would try it again for seconds.
    shutdown: () => Promise.race([provider.shutdown().catch(() => {}), sleep(FAREWELL, undefined, { ref: false })]),
  };
}

async function metricExporter(): Promise<PushMetricExporter> {
  const protocol = getStringFromEnv('OTEL_EXPORTER_OTLP_METRICS_PROTOCOL') ?? getStringFromEnv('OTEL_EXPORTER_OTLP_PROTOCOL');
  if (protocol === 'grpc') return new (await import('@opentelemetry/exporter-metrics-otlp-grpc')).OTLPMetricExporter();
  if (protocol === 'http/json') return new (await import('@opentelemetry/exporter-metrics-otlp-http')).OTLPMetricExporter();
  return new (await import('@opentelemetry/exporter-metrics-otlp-proto')).OTLPMetricExporter();
}

/** Says once that a collector takes no metrics, and once that it does again. */
function reporting(exporter: PushMetricExporter, logger: PushOptions['logger']): PushMetricExporter {
  let isFailing = false;
  const exported = exporter.export.bind(exporter);
  exporter.export = (metrics, done) =>
    exported(metrics, (result) => {
      const fails = result.code !== ExportResultCode.SUCCESS;
      if (fails && !isFailing) logger.warn({ err: result.error }, 'the collector takes no metrics; trying again');
      if (!fails && isFailing) logger.info('the collector takes metrics again');
      isFailing = fails;
      done(result);
    });
  return exporter;
}

interface Times {
  readonly startTime: HrTime;
  readonly endTime: HrTime;
}

const RPC_DURATION = 'rpc_server_call_duration_seconds';

/** A metric as OTLP has it. */
export function metricData(metric: MetricSnapshot, times: Times): MetricData {
  const isRpc = metric.name === RPC_DURATION;
  const descriptor = {
    name: isRpc ? 'rpc.server.call.duration' : metric.name,
    description: metric.help,
    unit: unitOf(metric.name),
    valueType: ValueType.DOUBLE,
  };
  const attributesOf = (labels: Labels): Record<string, string> =>
    Object.fromEntries(
      Object.entries(labels)
        // An attribute that says nothing is left out.
        .filter(([name, value]) => name !== 'le' && value !== '')
        .map(([name, value]) => [isRpc ? dotted(name) : name, String(value)]),
    );
  const points = metric.values.map(({ labels, value }) => ({ ...times, attributes: attributesOf(labels), value }));
  const aggregationTemporality = AggregationTemporality.CUMULATIVE;
  if (metric.type === 'counter')
    return { descriptor, aggregationTemporality, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints: points };
  if (metric.type !== 'histogram')
    return { descriptor, aggregationTemporality, dataPointType: DataPointType.GAUGE, dataPoints: points };

  const series = Map.groupBy(metric.values, ({ labels }) => JSON.stringify(Object.entries(attributesOf(labels)).sort()));
  const dataPoints = [...series.values()].map((values) => ({
    ...times,
    attributes: attributesOf(values[0]?.labels ?? {}),
    value: histogram(metric.name, values),
  }));
  return { descriptor, aggregationTemporality, dataPointType: DataPointType.HISTOGRAM, dataPoints };
}

type Labels = MetricSnapshot['values'][number]['labels'];

/** Buckets of Prometheus count all values up to their edge, those of OTLP the values between two edges. */
function histogram(name: string, values: MetricSnapshot['values']) {
  const sumOf = (suffix: string): number => values.find(({ metricName }) => metricName === `${name}_${suffix}`)?.value ?? 0;
  const buckets = values
    .filter(({ metricName, labels }) => metricName === `${name}_bucket` && labels.le !== '+Inf')
    .map(({ labels, value }) => ({ edge: Number(labels.le), upTo: value }))
    .sort((one, other) => one.edge - other.edge);
  const count = sumOf('count');
  const counts = [...buckets.map(({ upTo }) => upTo), count].map((upTo, index) => upTo - (buckets[index - 1]?.upTo ?? 0));
  return { buckets: { boundaries: buckets.map(({ edge }) => edge), counts }, sum: sumOf('sum'), count };
}

/** `rpc_status_code` as `rpc.status_code`, the names of the semantic conventions. */
const dotted = (name: string): string => name.replace(/^rpc_system_name$/, 'rpc.system.name').replace(/^(rpc|error)_/, '$1.');

/** In the Unified Code for Units of Measure, as OpenTelemetry wants it. */
const unitOf = (name: string): string => (name.includes('_seconds') ? 's' : name.includes('_bytes') ? 'By' : '1');
