import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import type { ReadSide } from '../database/read/read-side.ts';
import type { Instruments } from '../telemetry/metrics/instruments.ts';
import { poolMeter } from '../telemetry/metrics/pool-meter.ts';
import type { SlowestCalls } from '../telemetry/metrics/slowest-calls.ts';
import type { Snapshot } from '../telemetry/metrics/snapshot.ts';
import { createStateReader, type StateSources } from '../telemetry/metrics/state.ts';
import { lostSpans } from '../telemetry/patient-exporter.ts';
import type { Sdk } from '../telemetry/sdk.ts';

/**
 * Begins to load the SDK, where spans are sent: it costs a tenth of a second and memory. `service` is `service.name` where
 * OTEL_SERVICE_NAME says nothing.
 */
export function startTracing(
  service: string,
  { config, logger, stack }: { config: Config; logger: Logger; stack: AsyncDisposableStack },
): Promise<Sdk> | undefined {
  if (!config.tracing.on) return undefined;
  const starting = import('../telemetry/sdk.ts').then(({ startSdk }) =>
    startSdk({ serviceName: service, trustRemote: config.tracing.trustRemote, logger }),
  );
  starting.catch(() => {});
  stack.defer(async () => (await starting).shutdown());
  return starting;
}

/** What the metrics say of, and where they go. */
export interface MetricsParts {
  readonly service: string;
  readonly config: Config;
  readonly logger: Logger;
  readonly stack: AsyncDisposableStack;
  readonly instruments: Instruments;
  readonly slowest: SlowestCalls;
  readonly pools: readonly (StateSources['pools'][number] & { measure: (meter: ReturnType<typeof poolMeter>) => void })[];
  readonly reads: ReadSide;
  readonly sources: Pick<StateSources, 'inFlight' | 'hashing' | 'unsealed' | 'heldUpBy' | 'feed' | 'cachedBytes'>;
  readonly startingSdk: Promise<Sdk> | undefined;
}

/** Returns what takes a snapshot of the metrics. They are sent to a collector besides, where the environment names one. */
export async function startMetrics(parts: MetricsParts): Promise<() => Promise<Snapshot>> {
  const { service, config, logger, stack, instruments, slowest, pools, reads, sources, startingSdk } = parts;
  for (const pool of pools) pool.measure(poolMeter(instruments, pool.load.name));
  const readState = createStateReader(instruments, {
    ...sources,
    pools,
    databases: reads.all.map(({ name }) => ({
      name,
      isUp: () => reads.monitor.isHealthy(name),
      ...(name !== reads.primary.name && { lag: () => reads.monitor.lag(name) }),
    })),
    lostSpans: () => lostSpans.queueFull + lostSpans.refused + lostSpans.atStop,
    dataDir: config.database.kind === 'embedded' ? config.database.dataDir : undefined,
  });
  const takeSnapshot = async (): Promise<Snapshot> => {
    await readState();
    return { metrics: await instruments.registry.getMetricsAsJSON(), slowest: slowest.list() } as unknown as Snapshot;
  };
  if (config.pushesMetrics) {
    const { pushMetrics } = await import('../telemetry/metrics/push.ts');
    const { resourceOf } = await import('../telemetry/resource.ts');
    const resource = (await startingSdk)?.resource ?? resourceOf(service);
    const pushing = await pushMetrics({ takeSnapshot, logger, resource });
    stack.defer(pushing.shutdown);
  }
  return takeSnapshot;
}
