import { createRegistry, type DescFile, type DescService } from '@bufbuild/protobuf';
import type { Logger } from 'pino';
import type { Authority } from '../auth/authority.ts';
import type { KeyRing } from '../auth/key-ring.ts';
import type { Bus } from '../bus/bus.ts';
import type { CallKind } from '../bus/convention.ts';
import type { Config } from '../config.ts';
import { contractFolder } from '../contracts/contract-folder.ts';
import { contractServices } from '../contracts/descriptors.ts';
import type { ReadSide } from '../database/read/read-side.ts';
import { isLoopback, parseAddress } from '../doors/address.ts';
import { allowsHost, isLocalHost } from '../doors/allowed-hosts.ts';
import { contractPages } from '../doors/connect/contract-pages.ts';
import { createConnectDoor } from '../doors/connect/door.ts';
import type { HttpRoute } from '../doors/connect/http-route.ts';
import type { EdgeLimits } from '../doors/edge/edge-limits.ts';
import { affordable, mostOpenFiles, openFilesFor } from '../doors/edge/open-files.ts';
import { UnfinishedRequests } from '../doors/edge/unfinished-requests.ts';
import { createGrpcDoor } from '../doors/grpc/door.ts';
import { createPageServer } from '../doors/page-server.ts';
import { TrustedProxies } from '../doors/proxies/trusted-proxies.ts';
import { Readiness } from '../doors/readiness.ts';
import { createStandardServices } from '../doors/standard/standard-services.ts';
import type { ServerTls } from '../doors/tls/server-tls.ts';
import { authentication } from '../middleware/authentication.ts';
import type { UnexpectedErrors } from '../middleware/errors.ts';
import type { CallGauges } from '../middleware/load-shedding.ts';
import type { Snapshot } from '../telemetry/metrics/snapshot.ts';
import { openDoor, openMetrics } from './open-door.ts';

/** Verifiers fetch the keys again after this time, in seconds; a new key has to be published for so long before it signs. */
const JWKS_MAY_BE_KEPT = { 'cache-control': 'public, max-age=300' };

/** Where the service answers. */
export interface Ports {
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Undefined when probes have no address of their own. */
  readonly healthPort: number | undefined;
  /** Undefined when metrics are shown nowhere. */
  readonly metricsPort: number | undefined;
}

/** Opens the doors, the last thing at the start and the first that is closed. Throws ConfigError. */
export async function openDoors(parts: {
  config: Config;
  bus: Bus;
  authority: Authority;
  ring: KeyRing;
  reads: ReadSide;
  tls: ServerTls | undefined;
  inFlight: CallGauges;
  unexpected: UnexpectedErrors;
  onShed: (kind: CallKind) => void;
  roles: Readonly<Record<string, readonly string[]>>;
  /** Of the application. */
  routes: readonly HttpRoute[];
  /** The files of the events that modules store. */
  events: readonly DescFile[];
  takeSnapshot: () => Promise<Snapshot>;
  logger: Logger;
  stack: AsyncDisposableStack;
}): Promise<Ports> {
  const {
    config,
    bus,
    authority,
    ring,
    reads,
    tls,
    inFlight,
    unexpected,
    onShed,
    roles,
    routes,
    events,
    takeSnapshot,
    logger,
    stack,
  } = parts;
  const { limits } = config;
  const services = [...new Set([...bus.values()].map(({ method }) => method.parent))];
  const { health, rpcs: standard } = createStandardServices({
    services,
    others: events,
    reflection: config.reflection,
    unexpected,
    streams: { gauge: inFlight.streams, limit: limits.streams },
    authentication: authentication(authority),
  });
  const proxies = config.proxies && new TrustedProxies(config.proxies);
  const overload = {
    gauges: inFlight,
    report: (refused: number) =>
      logger.warn({ refused }, 'calls refused: LIMIT_COMMANDS_IN_FLIGHT or LIMIT_QUERIES_IN_FLIGHT is reached'),
    onShed,
  };
  const edge = {
    limits: affordableLimits(limits.edge, logger),
    unfinished: new UnfinishedRequests(limits.edge.unfinishedBytes),
    report: (turnedAway: number) =>
      logger.warn({ turnedAway }, 'connections are refused: LIMIT_CONNECTIONS or LIMIT_CONNECTIONS_PER_ADDRESS is reached'),
  };
  const readiness = new Readiness({
    services,
    dependencies: {
      primaryIsUp: () => reads.monitor.isHealthy(reads.primary.name),
      someDatabaseIsUp: reads.isAvailable,
      databases: () => Object.fromEntries(reads.all.map(({ name }) => [name, reads.monitor.isHealthy(name)])),
    },
    tell: (name, serving) => health.setServing(name, serving),
  });
  const grpcDoor = createGrpcDoor({ bus, standard, unexpected, tls, proxies, overload, edge });
  // Plain pages ask nobody for a token: they tell what reflection tells, where that is for everybody.
  const contracts = config.reflection === 'on' && arePublished(services) ? contractPages(() => contractFolder({ roles })) : [];
  const connectDoor = createConnectDoor({
    bus,
    standard,
    unexpected,
    tls,
    proxies,
    overload,
    edge,
    routes: withoutTwice([...readiness.routes(), jwks(ring), ...contracts, ...routes]),
    isAllowedHost: hostCheck(config),
    corsOrigins: config.corsOrigins,
    types: createRegistry(...events),
  });

  const healthServer = createPageServer(readiness.routes());
  // It says that nothing is ready for as long as the doors take to close.
  stack.defer(() => healthServer.close({ graceMs: 0 }));
  const { healthAddress } = config;
  const metricsPages = await openMetrics(config, takeSnapshot);
  stack.defer(metricsPages.close);
  const healthPort = healthAddress === undefined ? undefined : await openDoor(healthServer, 'HEALTH_ADDRESS', healthAddress);

  const grace = { graceMs: config.shutdownGraceMs };
  stack.defer(async () => {
    await Promise.all([grpcDoor.close(grace), connectDoor.close(grace)]);
  });
  // One after the other: a door that is still opening when the other fails could not be closed.
  const grpcPort = await openDoor(grpcDoor, 'GRPC_ADDRESS', config.grpcAddress);
  const httpPort = await openDoor(connectDoor, 'HTTP_ADDRESS', config.httpAddress);
  readiness.start();
  stack.defer(() => {
    readiness.drain();
    health.close();
  });
  return { grpcPort, httpPort, healthPort, metricsPort: metricsPages.port };
}

/** A page that is never reached would not be missed until somebody asks for it. */
function withoutTwice(routes: readonly HttpRoute[]): readonly HttpRoute[] {
  const paths = routes.map(({ path }) => path);
  const twice = paths.find((path, index) => paths.indexOf(path) !== index);
  if (twice !== undefined) throw new Error(`two routes have the path ${twice}: give that of the application another one`);
  return routes;
}

/** Whether the folder of contracts is of these services and no others. */
function arePublished(services: readonly DescService[]): boolean {
  const served = new Set(services.map(({ typeName }) => typeName));
  const published = contractServices();
  return served.size === published.length && published.every(({ typeName }) => served.has(typeName));
}

function jwks({ active }: KeyRing): HttpRoute {
  const published = { keys: active.map(({ publicJwk }) => publicJwk) };
  return { path: '/.well-known/jwks.json', handle: () => ({ status: 200, body: published, headers: JWKS_MAY_BE_KEPT }) };
}

/** A warning and no more: what was promised is for times when many callers come at once. */
function affordableLimits(limits: EdgeLimits, logger: Logger): EdgeLimits {
  const openFiles = mostOpenFiles();
  const lowered = affordable(limits, openFiles);
  if (lowered !== limits) {
    logger.warn(
      `LIMIT_CONNECTIONS is ${limits.connections}, and counts as ${lowered.connections}: the process may open ${openFiles} files. Let it open ${openFilesFor(limits)} (ulimit -n, LimitNOFILE=, docker run --ulimit nofile=), or lower LIMIT_CONNECTIONS`,
    );
  }
  return lowered;
}

/**
 * Under which hosts the HTTP door answers. In clear text on loopback, which other machines do not reach, a page in a browser on this
 * one could, by having its own name point here: by default only local names count there.
 */
function hostCheck({ allowedHosts, httpAddress, tls }: Config): ((authority: string) => boolean) | undefined {
  if (allowedHosts) return (authority) => allowsHost(allowedHosts, authority);
  const { host } = parseAddress(httpAddress);
  return !tls && isLoopback(host) ? isLocalHost : undefined;
}
