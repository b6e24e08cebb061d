import { isFault } from '../../kernel/telemetry/code-name.ts';
import type { SlowCall } from '../../kernel/telemetry/metrics/slowest-calls.ts';
import type { Sample } from './sample.ts';

/** What `bicameral top` shows, and prints as JSON. Seconds and bytes; rates are of the time between two samples. */
export interface TopView {
  readonly version: string;
  readonly processes: number;
  /** Of both samples, in seconds. */
  readonly intervalSeconds: number;
  readonly inFlight: Readonly<Record<'commands' | 'queries' | 'streams', { readonly now: number; readonly limit: number }>>;
  readonly shedPerSecond: number;
  readonly databases: readonly {
    readonly name: string;
    readonly isUp: boolean;
    readonly lagBytes?: number;
    readonly lagSeconds?: number;
    readonly queriesPerSecond: number;
  }[];
  readonly log: { readonly unsealedRecords: number; readonly unsealedAgeSeconds: number; readonly sealedPerSecond: number };
  readonly hashing: { readonly running: number; readonly waiting: number };
  readonly waitingForConnections: number;
  readonly eventLoopP99Seconds: number;
  readonly memoryBytes: number;
  /** 1 is a whole core. */
  readonly cpu: number;
  readonly rpcs: readonly RpcView[];
  readonly slowest: readonly SlowCall[];
}

/** An rpc that was called since the service started. */
export interface RpcView {
  readonly method: string;
  readonly callsPerSecond: number;
  /** That did not end with OK. */
  readonly errorsPerSecond: number;
  /** Of these, those that are the service's and not its callers': see `isFault`. */
  readonly faultsPerSecond: number;
  /** Undefined when no call ended. */
  readonly p50Seconds: number | undefined;
  readonly p99Seconds: number | undefined;
}

const KINDS = [
  { total: 'cqrs_command_total', seconds: 'cqrs_command_duration_seconds' },
  { total: 'cqrs_query_total', seconds: 'cqrs_query_duration_seconds' },
];

/** What happened from one sample to a later one. */
export function viewOf(before: Sample, now: Sample): TopView {
  const elapsed = Math.max(0.001, (now.at - before.at) / 1000);
  // A service that was started anew counts from 0.
  const rate = (name: string, labels: Readonly<Record<string, string>> = {}): number =>
    Math.max(0, now.sum(name, labels) - before.sum(name, labels)) / elapsed;
  const inFlight = (kind: string) => ({
    now: now.sum('cqrs_in_flight', { kind }),
    limit: now.sum('cqrs_in_flight_limit', { kind }),
  });
  const [build] = now.series('bicameral_build_info');
  return {
    version: String(build?.labels.version ?? ''),
    processes: now.sum('bicameral_processes'),
    intervalSeconds: elapsed,
    inFlight: { commands: inFlight('command'), queries: inFlight('query'), streams: inFlight('stream') },
    shedPerSecond: rate('cqrs_shed_total'),
    databases: now.series('cqrs_database_up').map(({ labels, value }) => {
      const database = String(labels.database);
      const lag = now.series('cqrs_replica_lag_bytes').some(({ labels: own }) => own.database === database);
      return {
        name: database,
        isUp: value === 1,
        ...(lag && {
          lagBytes: now.sum('cqrs_replica_lag_bytes', { database }),
          lagSeconds: now.sum('cqrs_replica_lag_seconds', { database }),
        }),
        queriesPerSecond: rate('cqrs_query_served_total', { database }),
      };
    }),
    log: {
      unsealedRecords: now.sum('cqrs_log_unsealed_records'),
      unsealedAgeSeconds: now.sum('cqrs_log_unsealed_age_seconds'),
      sealedPerSecond: rate('cqrs_sealed_records_total'),
    },
    hashing: { running: now.sum('cqrs_password_hash_running'), waiting: now.sum('cqrs_password_hash_waiting') },
    waitingForConnections: now.sum('cqrs_pool_waiting'),
    eventLoopP99Seconds: now.sum('nodejs_eventloop_lag_p99_seconds'),
    memoryBytes: now.sum('process_resident_memory_bytes'),
    cpu: rate('process_cpu_seconds_total'),
    rpcs: KINDS.flatMap(({ total, seconds }) => rpcsOf({ total, seconds, before, now, rate })),
    slowest: now.slowest,
  };
}

function rpcsOf(of: {
  total: string;
  seconds: string;
  before: Sample;
  now: Sample;
  rate: (name: string, labels: Readonly<Record<string, string>>) => number;
}): RpcView[] {
  const { total, seconds, before, now, rate } = of;
  const byMethod = Map.groupBy(now.series(total), ({ labels }) => String(labels.method));
  return [...byMethod].flatMap(([method, series]) => {
    if (series.every(({ value }) => value === 0)) return [];
    const perCode = series.map(({ labels: { code } }) => ({ code, rate: rate(total, { method, code: String(code) }) }));
    const rateOf = (wanted: (code: string | number | undefined) => boolean): number =>
      perCode.reduce((sum, one) => (wanted(one.code) ? sum + one.rate : sum), 0);
    const earlier = new Map(before.buckets(seconds, { method }).map(({ edge, count }) => [edge, count]));
    const buckets = now
      .buckets(seconds, { method })
      .map(({ edge, count }) => ({ edge, count: Math.max(0, count - (earlier.get(edge) ?? 0)) }));
    return {
      method,
      callsPerSecond: rateOf(() => true),
      errorsPerSecond: rateOf((code) => code !== 'OK'),
      faultsPerSecond: rateOf((code) => isFault(String(code))),
      p50Seconds: quantile(0.5, buckets),
      p99Seconds: quantile(0.99, buckets),
    };
  });
}

/** As Prometheus' histogram_quantile: linear inside a bucket, and the last edge for what is above it. Undefined without values. */
export function quantile(
  part: number,
  buckets: readonly { readonly edge: number; readonly count: number }[],
): number | undefined {
  const all = buckets.at(-1)?.count ?? 0;
  if (all === 0) return undefined;
  const rank = part * all;
  const index = buckets.findIndex(({ count }) => count >= rank);
  const bucket = buckets[index];
  const below = buckets[index - 1] ?? { edge: 0, count: 0 };
  if (!bucket || bucket.edge === Number.POSITIVE_INFINITY) return below.edge;
  return below.edge + ((bucket.edge - below.edge) * (rank - below.count)) / (bucket.count - below.count);
}
