import { randomUUIDv7 } from 'node:crypto';
import type { DescMethodUnary } from '@bufbuild/protobuf';
import type { Logger } from 'pino';
import { createAuthority } from './auth/authority.ts';
import { createRoles, type RoleDefinitions, type Roles } from './auth/roles.ts';
import { createSecretHasher } from './auth/secret-hasher.ts';
import { createTokenVerifier } from './auth/token-verifier.ts';
import { startSweeps } from './background/sweeps.ts';
import { type Bus, createBus, type Route } from './bus/bus.ts';
import { CallGauge } from './bus/call-gauge.ts';
import { type CallKind, methodName } from './bus/convention.ts';
import { rateLimitOf } from './bus/limits.ts';
import type { Middleware } from './bus/middleware.ts';
import { declaredReads } from './bus/query.ts';
import { watchStorms } from './bus/storm-watch.ts';
import { checkModules, declaredPermissions } from './check-modules.ts';
import { startMonthsAhead } from './command-log/months-ahead.ts';
import { sweepOwners } from './command-log/personal-owner.ts';
import { unsealedTail } from './command-log/seals/unsealed-tail.ts';
import { ConfigError } from './config/config-error.ts';
import type { Config } from './config.ts';
import { TOKEN_OUTCOMES } from './consistency/read-choice.ts';
import { createConsistencyTokens } from './consistency/token.ts';
import { contractDescriptors } from './contracts/descriptors.ts';
import { version } from './contracts/version.ts';
import { Guesses } from './database/limits/guesses.ts';
import { guessing } from './database/limits/guessing.ts';
import { memoryRates, postgresRates } from './database/limits/rates.ts';
import { watchMark } from './database/mark-holder.ts';
import { poolSizes } from './database/pool.ts';
import { createIdempotencyKeys } from './database/write/idempotency-keys.ts';
import type { HttpRoute } from './doors/connect/http-route.ts';
import { inProcessTransport } from './doors/in-process.ts';
import { declaredProjections } from './feed/declared-projections.ts';
import { sweepInstances } from './feed/instances.ts';
import { projectionHandler } from './feed/processors/projection-handler.ts';
import { reactorHandler } from './feed/processors/reactor-handler.ts';
import { rebuildables } from './feed/rebuild/rebuildable.ts';
import type { UnexpectedErrors } from './middleware/errors.ts';
import { createPipelines } from './middleware/pipeline.ts';
import { validation } from './middleware/validation.ts';
import type { Module } from './module.ts';
import { startCache } from './start/cache.ts';
import { startCommandLog } from './start/command-log.ts';
import { openDatabases } from './start/database.ts';
import { openDoors, type Ports } from './start/doors.ts';
import { startFeed } from './start/feed.ts';
import { moduleHost } from './start/host.ts';
import { eventTypesOf, projectionsOf, startModules } from './start/modules.ts';
import { stopsOf } from './start/stops.ts';
import { startMetrics, startTracing } from './start/telemetry.ts';
import { startTls } from './start/tls.ts';
import { followCalls } from './telemetry/active-trace.ts';
import { errorForm } from './telemetry/error-form.ts';
import { hashingSpan } from './telemetry/hashing-span.ts';
import { CallMetrics } from './telemetry/metrics/call-metrics.ts';
import { createInstruments } from './telemetry/metrics/instruments.ts';
import { SlowestCalls } from './telemetry/metrics/slowest-calls.ts';
import type { Snapshot } from './telemetry/metrics/snapshot.ts';

/** How often what has run out is removed from tables, in milliseconds. */
const SWEEP_EVERY = 10 * 60_000;

/** What a service is made of: what its `app.ts` says. */
export interface Application {
  /** By which it is known to those who look at it: `service.name` of its spans and metrics, unless OTEL_SERVICE_NAME says another; of its sessions in the database, and of the tokens that it issues. */
  readonly name: string;
  readonly modules: readonly Module[];
  /** What each role permits. */
  readonly roles: RoleDefinitions;
  /** What no module declares and can be permitted all the same, such as what its own routes ask for. */
  readonly permissions?: Readonly<Record<string, string>>;
  /** Its own, beside that of the kernel: see `middleware`. */
  readonly middleware?: readonly Middleware[];
  /** Its own pages of the HTTP door, beside the rpcs. */
  readonly routes?: readonly HttpRoute[];
}

/** How an application is run. */
export interface Run {
  readonly config: Config;
  readonly logger: Logger;
  /** Is called with what the start waits for. */
  readonly onProgress?: (step: string) => void;
}

/** A service that serves. */
export interface Service extends Ports {
  /** For callers in this process: see `inProcessTransport`. */
  readonly bus: Bus;
  /** What the metrics say now. Never rejects. */
  readonly metrics: () => Promise<Snapshot>;
  /** Takes over the files for TLS if they have changed: without it that is done within half a minute. Never rejects. */
  readonly renewCertificates: () => Promise<void>;
  /** Stops serving, lets calls in flight finish, and closes the database. */
  readonly stop: () => Promise<void>;
}

/** The roles of an application, with what modules and the application declare. */
export const rolesOf = (application: Pick<Application, 'modules' | 'roles' | 'permissions'>): Roles =>
  createRoles(application.roles, Object.keys(declaredPermissions(application)));

/**
 * Puts a service together and opens its doors. What was started is stopped again when a later part fails.
 *
 * ```ts
 * const config = readConfig(process.env, application.modules);
 * const service = await startService(application, { config, logger: await createLogger({ level: 'info', pretty: true }) });
 * ```
 *
 * A program has this done by `runCommandLine`, which hears signals too.
 */
export async function startService(application: Application, run: Run): Promise<Service> {
  const stack = new AsyncDisposableStack();
  try {
    const service = await assemble(application, run, stack);
    const started = stack.move();
    return { ...service, stop: () => started.disposeAsync() };
  } finally {
    await stack.disposeAsync();
  }
}

async function assemble(
  application: Application,
  { config, logger, onProgress = () => {} }: Run,
  stack: AsyncDisposableStack,
): Promise<Omit<Service, 'stop'>> {
  const { name, modules, middleware, routes = [] } = application;
  if (config.foreignIssuer?.issuer === name)
    throw new ConfigError([`AUTH_ISSUER cannot be ${name}: that is this service itself`]);
  checkModules(application, contractDescriptors().files);
  const roles = rolesOf(application);
  const eventTypes = eventTypesOf(modules);
  followCalls();
  // Loaded while the database starts; nothing before the pipelines has spans. Stopped last, when nothing makes spans any more.
  const startingSdk = startTracing(name, { config, logger, stack });
  const metrics = createInstruments(version());
  const tls = await startTls(config.tls, { logger, stack });
  const stops = stopsOf(stack, logger);
  const { writes, reads, keys, ownerDigest, writer } = await openDatabases(config, {
    service: name,
    modules,
    logger,
    onProgress,
    onEvents: (changed) => {
      feed.wake();
      queryCache?.onEvents(changed);
    },
    stops,
  });
  const { ring, digestKey } = keys;
  const mark = watchMark({ pool: reads.watching, logger });
  stops.briefly('mark watch', mark.stop);
  const secrets = createSecretHasher({ processes: config.workers, watch: hashingSpan });
  const feed = startFeed({
    writer,
    batches: poolSizes(config.workers, config.limits.databaseConnections).batches,
    version: version(),
    eventTypes,
    writes,
    reads,
    metrics,
    logger,
    stops,
  });
  const consistencyTokens = createConsistencyTokens(ring);
  const queryCache = startCache({
    maxBytes: config.queryCacheBytes,
    modules,
    eventTypes: eventTypesOf(modules),
    reads,
    news: feed.news,
    tokens: consistencyTokens,
    metrics,
    stops,
  });
  const { host, sweeps } = moduleHost({
    service: name,
    logger,
    keys,
    secrets,
    reads,
    heldUpBy: mark.holder,
    writePool: writes.pool,
    eventTypes,
    news: feed.news,
    projections: declaredProjections(modules),
    bus: () => bus,
    roles,
    permissions: Object.keys(declaredPermissions(application)),
    onDamage: () => metrics.damage.inc({ kind: 'verification' }),
    stops,
  });
  const started = await startModules(modules, { host, settings: config.settings, primary: reads.primary });
  const authority = createAuthority({
    tokens: createTokenVerifier({ issuer: name, keys: ring.active, roles, foreign: config.foreignIssuer, now: Date.now }),
    sessions: started.sessions,
    now: Date.now,
  });
  const { recorder, refusals, sealerPool } = startCommandLog({ writes, writer, ring, ownerDigest, metrics, logger, stops });

  const { limits } = config;
  const inFlight = {
    commands: new CallGauge(limits.commandsInFlight),
    queries: new CallGauge(limits.queriesInFlight),
    streams: new CallGauge(limits.streams),
  };
  stack.defer(watchStorms([inFlight.commands, inFlight.queries]));
  const slowest = new SlowestCalls();
  const takeSnapshot = await startMetrics({
    service: name,
    config,
    logger,
    stack,
    instruments: metrics,
    slowest,
    pools: [...writes.pools, ...reads.pools, sealerPool, ...feed.pools],
    reads,
    sources: {
      inFlight: { command: inFlight.commands, query: inFlight.queries, stream: inFlight.streams },
      hashing: secrets.load,
      unsealed: () => unsealedTail(reads.watching),
      heldUpBy: mark.holder,
      feed,
      cachedBytes: queryCache?.bytes ?? (() => 0),
    },
    startingSdk,
  });

  const guesses = new Guesses(writes.pool);
  const guessReport = (error: unknown): void => logger.warn({ err: error }, 'a guess could not be counted');
  const guess = guessing({ guesses, report: guessReport });
  const idempotencyKeys = createIdempotencyKeys({ pool: writes.pool, keptSeconds: config.idempotencyHours * 3600 });
  const sharedRates = limits.rateStore === 'postgres' ? postgresRates(writes.pool, digestKey('rate limits')) : undefined;
  const ownSweeps = {
    keys: idempotencyKeys.removeOld,
    guesses: () => guesses.sweep(),
    owners: () => sweepOwners(writes.pool),
    instances: () => sweepInstances(writes.pool),
    ...(sharedRates && { rates: sharedRates.sweep }),
  };
  stops.briefly('sweeps', startSweeps({ ...ownSweeps, ...sweeps }, { logger, intervalMs: SWEEP_EVERY }).stop);
  stops.briefly('months of the log', startMonthsAhead(writes.pool, { logger }).stop);

  const unexpected: UnexpectedErrors = {
    newId: randomUUIDv7,
    report: ({ error, errorId, method, traceId, hidden }) =>
      logger.error({ err: errorForm(error, hidden), error_id: errorId, method, trace_id: traceId }, 'unexpected error'),
  };
  const calls = new CallMetrics(metrics, slowest);
  const onShed = (kind: CallKind): void => metrics.shed.inc({ kind });
  for (const outcome of TOKEN_OUTCOMES) metrics.tokenReads.inc({ outcome }, 0);
  const bus: Bus = createBus(
    started.modules,
    createPipelines({
      logger,
      tracer: (await startingSdk)?.tracer,
      logLevels: config.logLevels.calls,
      calls,
      reading: {
        served: (database) => metrics.served.inc({ database }),
        left: (database) => metrics.fallbacks.inc({ database }),
        byToken: (outcome) => metrics.tokenReads.inc({ outcome }),
      },
      cache: queryCache?.middleware,
      onShed,
      unexpected,
      authority,
      validation: validation(),
      recorder,
      refusals,
      idempotency: {
        keys: idempotencyKeys,
        fingerprintKey: digestKey('idempotency fingerprints'),
        fingerprintKeys01: ring.active.map(({ deriveKey }) => deriveKey('idempotency fingerprints')),
        secrets,
        guessing: guess,
        guessTarget: host.guessTarget,
      },
      tokens: consistencyTokens,
      writes,
      reads,
      declared: declaredReads(started.modules),
      inFlight,
      rates: { counters: sharedRates?.counters ?? memoryRates, overrides: limits.rates },
      owners: started.owners,
      guesses: { guessing: guess, guesses, key: digestKey('guesses'), report: guessReport },
      middleware,
    }),
  );
  const rpcs = [...bus.values()];
  checkRateClasses(limits, rpcs);
  for (const { method } of rpcs) calls.expect(method);
  const reacting = {
    transport: inProcessTransport(bus),
    permissions: Object.keys(declaredPermissions(application)),
    logger,
    newId: randomUUIDv7,
  };
  const reactors = modules.flatMap(({ reactors = [], processes = [] }) => [...reactors, ...processes]);
  const commands = rpcs
    .filter(({ kind }) => kind === 'command')
    .map(({ method }) => [methodName(method), method as DescMethodUnary] as const);
  await feed.process({
    handlers: [
      ...projectionsOf(modules).map(({ projection }) => projectionHandler(projection)),
      ...reactors.map((reactor) => reactorHandler(reactor, reacting)),
    ],
    projections: rebuildables(modules),
    timers: { ...reacting, processes: reactors.map(({ name }) => name), methods: new Map(commands) },
  });

  const ports = await openDoors({
    config,
    bus,
    authority,
    ring,
    reads,
    tls: tls.server,
    inFlight,
    unexpected,
    onShed,
    roles: roles.permissions,
    routes,
    events: modules.flatMap(({ events = [] }) => events),
    takeSnapshot,
    logger,
    stack,
  });
  return { ...ports, bus, metrics: takeSnapshot, renewCertificates: tls.renew };
}

/** A limit that was meant for a class and is for none would not be missed until it is needed. */
function checkRateClasses({ rates }: Config['limits'], routes: readonly Route[]): void {
  const classes = new Set(routes.map(({ method }) => rateLimitOf(method)?.class));
  const unknown = [...rates.keys()].filter((name) => !classes.has(name));
  if (unknown.length > 0) throw new ConfigError([`RATE_LIMITS names ${unknown.join(', ')}, but no rpc is of that class`]);
}
