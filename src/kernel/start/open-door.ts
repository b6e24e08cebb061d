import { ConfigError } from '../config/config-error.ts';
import type { Config } from '../config.ts';
import type { Door } from '../doors/door.ts';
import { createMetricsServer } from '../doors/metrics-server.ts';
import type { Snapshot } from '../telemetry/metrics/snapshot.ts';

/** Opens a door at the address that a variable names, and answers the port. Throws ConfigError. */
export async function openDoor(door: Pick<Door, 'listen'>, variable: string, address: string): Promise<number> {
  try {
    return await door.listen(address);
  } catch (error) {
    throw new ConfigError([`${variable}: ${error instanceof Error ? error.message : error}`]);
  }
}

/** Shows metrics at METRICS_ADDRESS, if anywhere. Throws ConfigError. */
export async function openMetrics(
  { metricsAddress }: Pick<Config, 'metricsAddress'>,
  takeSnapshot: () => Promise<Snapshot>,
): Promise<{ readonly port: number | undefined; readonly close: () => Promise<void> }> {
  if (metricsAddress === undefined) return { port: undefined, close: async () => {} };
  const server = createMetricsServer(metricsAddress, takeSnapshot);
  const port = await openDoor(server, 'METRICS_ADDRESS', metricsAddress);
  return { port, close: () => server.close({ graceMs: 0 }) };
}
