import { metricsPage, type Snapshot } from '../telemetry/metrics/snapshot.ts';
import { isLoopback, parseAddress } from './address.ts';
import { isLocalHost } from './allowed-hosts.ts';
import type { HttpRoute } from './connect/http-route.ts';
import type { Door } from './door.ts';
import { createPageServer } from './page-server.ts';

/**
 * The pages at METRICS_ADDRESS: `/metrics`, which Prometheus scrapes, in the form that `Accept` asks for (see `metricsPage`).
 *
 * They ask nobody for a token. On loopback they answer under local names alone, so that no page in a browser reads them by having its
 * own name point here.
 */
export function createMetricsServer(address: string, takeSnapshot: () => Promise<Snapshot>): Door {
  const metrics: HttpRoute = {
    path: '/metrics',
    handle: async (request) => {
      const { contentType, body } = await metricsPage(await takeSnapshot(), request.headers.accept ?? '');
      return { status: 200, body: Buffer.from(body), headers: { 'content-type': contentType } };
    },
  };
  const isAllowedHost = isLoopback(parseAddress(address).host) ? isLocalHost : undefined;
  return createPageServer([metrics], { isAllowedHost });
}
