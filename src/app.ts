import { randomUUIDv7 } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Logger } from 'pino';
import { createDomain, pageTokensOf } from './domain.ts';
import { createAccounts } from './kernel/auth/accounts.ts';
import { createAuthority } from './kernel/auth/authority.ts';
import { readEndedSessions } from './kernel/auth/ended-sessions.ts';
import { openKeys } from './kernel/auth/open-keys.ts';
import { openFileProblem } from './kernel/auth/private-file.ts';
import { REMEMBERED_MS, startRevocationWatch } from './kernel/auth/revocations.ts';
import { ROLES } from './kernel/auth/roles.ts';
import { createTokenVerifier } from './kernel/auth/token-verifier.ts';
import { stopWithin } from './kernel/background/stop-within.ts';
import { startSweeps } from './kernel/background/sweeps.ts';
import { type Bus, createBus, type Route } from './kernel/bus/bus.ts';
import { CallGauge } from './kernel/bus/call-gauge.ts';
import type { CallKind } from './kernel/bus/convention.ts';
import { rateLimitOf } from './kernel/bus/limits.ts';
import { createCommandRecorder } from './kernel/command-log/command-recorder.ts';
import { startMonthsAhead } from './kernel/command-log/months-ahead.ts';
import { ownerDigests, sweepOwners } from './kernel/command-log/personal-owner.ts';
import { createRefusalTally } from './kernel/command-log/refusal-tally.ts';
import { createRerun } from './kernel/command-log/rerun/rerun.ts';
import { pruneLog } from './kernel/command-log/seals/prune.ts';
import { startSealer } from './kernel/command-log/seals/sealer.ts';
import { unsealedTail } from './kernel/command-log/seals/unsealed-tail.ts';
import { createVerifications } from './kernel/command-log/seals/verify/verifications.ts';
import { type Config, ConfigError } from './kernel/config.ts';
import { contractFolder } from './kernel/contracts/contract-folder.ts';
import { version } from './kernel/contracts/version.ts';
import { tooFewConnections } from './kernel/database/check-database.ts';
import { Guesses, guessTargets } from './kernel/database/limits/guesses.ts';
import { guessing } from './kernel/database/limits/guessing.ts';
import { memoryRates, postgresRates } from './kernel/database/limits/rates.ts';
import { openMigratedDatabase } from './kernel/database/open-database.ts';
import { createPool, mostConnections, poolSizes } from './kernel/database/pool.ts';
import { createReadSide } from './kernel/database/read/read-side.ts';
import { createIdempotencyKeys } from './kernel/database/write/idempotency-keys.ts';
import { createWriteSide } from './kernel/database/write/write-side.ts';
import { isLoopback, parseAddress } from './kernel/doors/address.ts';
import { allowsHost, isLocalHost } from './kernel/doors/allowed-hosts.ts';
import { contractPages } from './kernel/doors/connect/contract-pages.ts';
import { createConnectDoor } from './kernel/doors/connect/door.ts';
import type { EdgeLimits } from './kernel/doors/edge/edge-limits.ts';
import { affordable, mostOpenFiles, openFilesFor } from './kernel/doors/edge/open-files.ts';
import { UnfinishedRequests } from './kernel/doors/edge/unfinished-requests.ts';
import { createGrpcDoor } from './kernel/doors/grpc/door.ts';
import { createPageServer } from './kernel/doors/page-server.ts';
import { TrustedProxies } from './kernel/doors/proxies/trusted-proxies.ts';
import { Readiness } from './kernel/doors/readiness.ts';
import { createStandardServices } from './kernel/doors/standard/standard-services.ts';
import { ServerTls, type TlsFiles, TlsFilesInvalid } from './kernel/doors/tls/server-tls.ts';
import { watchTlsFiles } from './kernel/doors/tls/watch-tls-files.ts';
import { authentication } from './kernel/middleware/authentication.ts';
import type { UnexpectedErrors } from './kernel/middleware/errors.ts';
import { createPipelines } from './kernel/middleware/pipeline.ts';
import { validation } from './kernel/middleware/validation.ts';
import { openDoor, openMetrics } from './kernel/open-door.ts';
import { followCalls } from './kernel/telemetry/active-trace.ts';
import { errorForm } from './kernel/telemetry/error-form.ts';
import { CallMetrics } from './kernel/telemetry/metrics/call-metrics.ts';
import { createInstruments } from './kernel/telemetry/metrics/instruments.ts';
import { poolMeter } from './kernel/telemetry/metrics/pool-meter.ts';
import type { PushOptions } from './kernel/telemetry/metrics/push.ts';
import { SlowestCalls } from './kernel/telemetry/metrics/slowest-calls.ts';
import type { Snapshot } from './kernel/telemetry/metrics/snapshot.ts';
import { createStateReader } from './kernel/telemetry/metrics/state.ts';
import { lostSpans } from './kernel/telemetry/patient-exporter.ts';
import type { Sdk } from './kernel/telemetry/sdk.ts';
import { sealingSpan } from './kernel/telemetry/sealing-span.ts';
import { auditModule } from './modules/audit/module.ts';
import { sweepSessions } from './modules/users/persistence/session-store.ts';

/** `service.name` where OTEL_SERVICE_NAME says nothing. */
const SERVICE_NAME = 'bicameral';
/** How often what has run out is removed from the tables of limits, in milliseconds. */
const SWEEP_EVERY = 10 * 60_000;
/** Verifiers fetch the keys again after this time, in seconds; a new key has to be published for so long before it signs. */
const JWKS_MAY_BE_KEPT = { 'cache-control': 'public, max-age=300' };
/** How long each part that works with the database may take to stop, in milliseconds: the database may not answer. */
const STOP_PATIENCE = 3_000;

/** The running program. */
export interface App {
  /** For callers in this process: see `inProcessTransport`. */
  readonly bus: Bus;
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Undefined when probes have no address of their own. */
  readonly healthPort: number | undefined;
  /** Undefined when metrics are shown nowhere. */
  readonly metricsPort: number | undefined;
  /** What the metrics say now. Never rejects. */
  readonly metrics: () => Promise<Snapshot>;
  /** Takes over the files for TLS if they have changed: without it that is done within half a minute. Never rejects. */
  readonly renewCertificates: () => Promise<void>;
  /** Stops serving, lets calls in flight finish, and closes the database. */
  readonly stop: () => Promise<void>;
}

/** Puts the program together and opens its doors. What was started is stopped again when a later part fails. */
export async function startApp(
  config: Config,
  { logger, onProgress = () => {} }: { logger: Logger; onProgress?: (step: string) => void },
): Promise<App> {
  const stops: (() => Promise<unknown>)[] = [];
  const stopAll = async (): Promise<void> => {
    for (const stop of stops.splice(0).reverse()) await stop();
  };
  try {
    return await assemble(config, { logger, onProgress, stops, stopAll });
  } catch (error) {
    await stopAll();
    throw error;
  }
}

interface Assembly {
  readonly logger: Logger;
  readonly onProgress: (step: string) => void;
  /** What to do at the end, in reverse. */
  readonly stops: (() => Promise<unknown>)[];
  readonly stopAll: () => Promise<void>;
}

async function assemble(config: Config, { logger, onProgress, stops, stopAll }: Assembly): Promise<App> {
  followCalls();
  // Loaded while the database starts; nothing before the pipelines has spans.
  const startingSdk = config.tracing.on ? startTracing(config.tracing, logger) : undefined;
  startingSdk?.catch(() => {});
  // Last, when nothing makes spans any more.
  stops.push(async () => (await startingSdk)?.shutdown());
  const metrics = createInstruments(version());
  const { tls: tlsFiles } = config;
  const tls = tlsFiles && (await openTls(tlsFiles));
  if (tlsFiles) await warnOfOpenKey(tlsFiles.keyFile, logger);
  const tlsWatch = tls && watchTlsFiles(tls, { read: () => readTlsFiles(tlsFiles), logger });
  stops.push(async () => tlsWatch?.stop());
  const database = await openMigratedDatabase(config.database, { onProgress, logger });
  stops.push(database.close);
  const stopsBriefly = (name: string, stop: () => Promise<unknown>): void => {
    stops.push(() => stopWithin(STOP_PATIENCE, { name, stop, logger }));
  };
  const { writer, reader, replicas } = database.connections;

  const { limits } = config;
  const signingKeys = await openKeys(config.signingKeys, writer);
  const { ring, digestKey } = signingKeys;
  const { passwordWords, sessionLifetime } = config;
  const domain = await createDomain(signingKeys, { processes: config.workers, passwordWords, sessionLifetime });
  const sizes = poolSizes(config.workers);
  const ownerDigest = ownerDigests(digestKey('personal owners'));
  const writes = await createWriteSide(writer, domain.aggregateTypes, {
    poolSize: sizes.calls,
    waitMs: limits.databaseWaitMs,
    ownerDigest,
  });
  stopsBriefly('writes', writes.close);
  const tooFew = await tooFewConnections(writes.pool, mostConnections(config.workers));
  if (tooFew !== undefined) logger.warn(tooFew);
  const reads = await createReadSide({
    primary: reader,
    replicas,
    sizes,
    onChange: (name, healthy, error) =>
      logger[healthy ? 'info' : 'warn'](
        { database: name, ...(error !== undefined && { err: error }) },
        healthy ? 'database is up' : 'database is away',
      ),
    onDemoted: writes.renew,
  });
  stopsBriefly('reads', reads.close);

  const revocations = startRevocationWatch({ read: readEndedSessions(reads.watching), logger, now: Date.now });
  stopsBriefly('revocation watch', revocations.stop);
  await revocations.refresh();
  const authority = createAuthority({
    tokens: createTokenVerifier({ keys: ring.active, foreign: config.foreignIssuer, now: Date.now }),
    revocations,
    accounts: createAccounts({ primary: reads.watching, revocations, now: Date.now }),
    now: Date.now,
  });

  const recorder = createCommandRecorder({ pool: writes.recordPool, logger, ownerDigest });
  stopsBriefly('command recorder', recorder.close);
  const refusals = createRefusalTally({ recorder, logger });
  stopsBriefly('refusals', refusals.close);
  const keys = createIdempotencyKeys({ pool: writes.pool, keptSeconds: config.idempotencyHours * 3600 });
  // A connection of its own: a round that has much to do takes none from the commands.
  const sealerPool = createPool(writer, { name: 'sealer', max: 1, readOnly: false });
  const sealer = startSealer({
    pool: sealerPool,
    key: ring.current,
    keys: ring.all,
    logger,
    watch: sealingSpan,
    report: {
      round: ({ seconds, sealed }) => {
        metrics.sealRounds.inc({ outcome: sealed === undefined ? 'failed' : 'ok' });
        metrics.sealSeconds.observe({ value: seconds });
        metrics.sealed.inc(sealed ?? 0);
      },
      distrusted: () => metrics.damage.inc({ kind: 'seals' }),
    },
  });
  // Together, so that a round that waits for a database that hangs is cut off.
  stopsBriefly('sealer', () => Promise.all([sealer.stop(), sealerPool.close()]));

  const unexpected: UnexpectedErrors = {
    newId: randomUUIDv7,
    report: ({ error, errorId, method, traceId, hidden }) =>
      logger.error({ err: errorForm(error, hidden), error_id: errorId, method, trace_id: traceId }, 'unexpected error'),
  };
  const inFlight = {
    commands: new CallGauge(limits.commandsInFlight),
    queries: new CallGauge(limits.queriesInFlight),
    streams: new CallGauge(limits.streams),
  };
  const slowest = new SlowestCalls();
  const calls = new CallMetrics(metrics, slowest);
  const onShed = (kind: CallKind): void => metrics.shed.inc({ kind });
  const pools = [...writes.pools, ...reads.pools, sealerPool];
  for (const pool of pools) pool.measure(poolMeter(metrics, pool.load.name));
  const readState = createStateReader(metrics, {
    inFlight: { command: inFlight.commands, query: inFlight.queries, stream: inFlight.streams },
    pools,
    databases: reads.all.map(({ name }) => ({
      name,
      isUp: () => reads.monitor.isHealthy(name),
      ...(name !== reads.primary.name && { lag: () => reads.monitor.lag(name) }),
    })),
    hashing: domain.passwords.load,
    unsealed: () => unsealedTail(reads.watching),
    lostSpans: () => lostSpans.queueFull + lostSpans.refused + lostSpans.atStop,
    dataDir: config.database.kind === 'embedded' ? config.database.dataDir : undefined,
  });
  const takeSnapshot = async (): Promise<Snapshot> => {
    await readState();
    return { metrics: await metrics.registry.getMetricsAsJSON(), slowest: slowest.list() } as unknown as Snapshot;
  };
  if (config.pushesMetrics) {
    const sdk = await startingSdk;
    const pushing = await startPush({ takeSnapshot, logger, resource: sdk?.resource });
    stops.push(pushing.shutdown);
  }
  const guesses = new Guesses(writes.pool);
  const guessKey = digestKey('guesses');
  const guessReport = (error: unknown): void => logger.warn({ err: error }, 'a guess could not be counted');
  const guess = guessing({ guesses, report: guessReport });
  const sharedRates = limits.rateStore === 'postgres' ? postgresRates(writes.pool, digestKey('rate limits')) : undefined;
  const sweeps = startSweeps(
    {
      keys: keys.removeOld,
      guesses: () => guesses.sweep(),
      sessions: () => sweepSessions(writes.pool, { ...config.sessionLifetime, rememberedMs: REMEMBERED_MS }),
      owners: () => sweepOwners(writes.pool),
      ...(sharedRates && { rates: sharedRates.sweep }),
    },
    { logger, intervalMs: SWEEP_EVERY },
  );
  stopsBriefly('sweeps', sweeps.stop);
  const months = startMonthsAhead(writes.pool, { logger });
  stopsBriefly('months of the log', months.stop);
  const audit = auditModule({
    pageTokens: pageTokensOf(ring),
    eventTypes: domain.eventTypes,
    verify: createVerifications({
      primary: reads.primary.pool,
      keys: ring.all,
      onDamage: () => metrics.damage.inc({ kind: 'verification' }),
    }),
    pruneLog: (query, range) => pruneLog(query, { ...range, key: ring.current }),
    primary: reads.primary,
    replay: {
      route: (method) => bus.get(method),
      replay: createRerun({
        report: (error, commandId) => logger.warn({ err: error, command_id: commandId }, 'a replayed command failed'),
      }),
    },
  });
  const bus: Bus = createBus(
    [...domain.modules, audit],
    createPipelines({
      logger,
      tracer: (await startingSdk)?.tracer,
      logLevels: config.logLevels.calls,
      calls,
      reading: {
        served: (database) => metrics.served.inc({ database }),
        left: (database) => metrics.fallbacks.inc({ database }),
      },
      onShed,
      unexpected,
      authority,
      validation: validation(),
      recorder,
      refusals,
      idempotency: {
        keys,
        fingerprintKey: digestKey('idempotency fingerprints'),
        fingerprintKeys01: ring.active.map(({ deriveKey }) => deriveKey('idempotency fingerprints')),
        secrets: domain.passwords,
        guessing: guess,
        guessTarget: guessTargets(guessKey),
      },
      writes,
      reads,
      inFlight,
      rates: { counters: sharedRates?.counters ?? memoryRates, overrides: limits.rates },
      guesses: { guessing: guess, guesses, key: guessKey, report: guessReport },
    }),
  );
  const routes = [...bus.values()];
  checkRateClasses(limits, routes);
  for (const { method } of routes) calls.expect(method);

  const overload = {
    gauges: inFlight,
    report: (refused: number) =>
      logger.warn({ refused }, 'calls refused: LIMIT_COMMANDS_IN_FLIGHT or LIMIT_QUERIES_IN_FLIGHT is reached'),
    onShed,
  };
  const services = [...new Set(routes.map(({ method }) => method.parent))];
  const { health, rpcs: standard } = createStandardServices({
    services,
    reflection: config.reflection,
    unexpected,
    streams: { gauge: inFlight.streams, limit: limits.streams },
    authentication: authentication(authority),
  });
  const proxies = config.proxies && new TrustedProxies(config.proxies);
  const edge = {
    limits: affordableLimits(limits.edge, logger),
    unfinished: new UnfinishedRequests(limits.edge.unfinishedBytes),
    report: (turnedAway: number) =>
      logger.warn({ turnedAway }, 'connections turned away: LIMIT_CONNECTIONS or LIMIT_CONNECTIONS_PER_ADDRESS is reached'),
  };
  const grpcDoor = createGrpcDoor({ bus, standard, unexpected, tls, proxies, overload, edge });
  const readiness = new Readiness({
    services,
    dependencies: {
      primaryIsUp: () => reads.monitor.isHealthy(reads.primary.name),
      someDatabaseIsUp: reads.isAvailable,
      databases: () => Object.fromEntries(reads.all.map(({ name }) => [name, reads.monitor.isHealthy(name)])),
    },
    tell: (name, serving) => health.setServing(name, serving),
  });
  const published = { keys: ring.active.map(({ publicJwk }) => publicJwk) };
  const jwks = { path: '/.well-known/jwks.json', handle: () => ({ status: 200, body: published, headers: JWKS_MAY_BE_KEPT }) };
  // Plain pages ask nobody for a token: they tell what reflection tells, where that is for everybody.
  const contracts = config.reflection === 'on' ? contractPages(() => contractFolder({ roles: ROLES })) : [];
  const connectDoor = createConnectDoor({
    bus,
    standard,
    unexpected,
    tls,
    proxies,
    edge,
    routes: [...readiness.routes(), jwks, ...contracts],
    isAllowedHost: hostCheck(config),
    corsOrigins: config.corsOrigins,
  });

  const healthServer = createPageServer(readiness.routes());
  // It says that nothing is ready for as long as the doors take to close.
  stops.push(() => healthServer.close({ graceMs: 0 }));
  const { healthAddress } = config;
  const metricsPages = await openMetrics(config, takeSnapshot);
  stops.push(metricsPages.close);
  const healthPort = healthAddress === undefined ? undefined : await openDoor(healthServer, 'HEALTH_ADDRESS', healthAddress);

  const grace = { graceMs: config.shutdownGraceMs };
  stops.push(() => Promise.all([grpcDoor.close(grace), connectDoor.close(grace)]));
  // One after the other: a door that is still opening when the other fails could not be closed.
  const grpcPort = await openDoor(grpcDoor, 'GRPC_ADDRESS', config.grpcAddress);
  const httpPort = await openDoor(connectDoor, 'HTTP_ADDRESS', config.httpAddress);
  readiness.start();
  stops.push(async () => {
    readiness.drain();
    health.close();
  });
  const renewCertificates = async (): Promise<void> => tlsWatch?.renew();
  return {
    bus,
    grpcPort,
    httpPort,
    healthPort,
    metricsPort: metricsPages.port,
    metrics: takeSnapshot,
    renewCertificates,
    stop: stopAll,
  };
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

/** The SDK costs a tenth of a second and memory, and only who sends spans pays for it. */
async function startTracing({ trustRemote }: Config['tracing'], logger: Logger): Promise<Sdk> {
  const { startSdk } = await import('./kernel/telemetry/sdk.ts');
  return await startSdk({ serviceName: SERVICE_NAME, trustRemote, logger });
}

/** The same for metrics: without a collector they are on the page alone. */
async function startPush(options: Omit<PushOptions, 'resource'> & { resource: PushOptions['resource'] | undefined }) {
  const { pushMetrics } = await import('./kernel/telemetry/metrics/push.ts');
  const { resourceOf } = await import('./kernel/telemetry/resource.ts');
  return await pushMetrics({ ...options, resource: options.resource ?? resourceOf(SERVICE_NAME) });
}

/** A limit that was meant for a class and is for none would not be missed until it is needed. */
function checkRateClasses({ rates }: Config['limits'], routes: readonly Route[]): void {
  const classes = new Set(routes.map(({ method }) => rateLimitOf(method)?.class));
  const unknown = [...rates.keys()].filter((name) => !classes.has(name));
  if (unknown.length > 0) throw new ConfigError([`RATE_LIMITS names ${unknown.join(', ')}, but no rpc is of that class`]);
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

/** Opens a door; what stands against it is said in terms of the variable that names the address. */
async function openTls(files: NonNullable<Config['tls']>): Promise<ServerTls> {
  try {
    return new ServerTls(await readTlsFiles(files));
  } catch (error) {
    throw error instanceof TlsFilesInvalid ? new ConfigError([`TLS_CERT_FILE and TLS_KEY_FILE: ${error.message}`]) : error;
  }
}

/** A warning and no more: what mounts certificates, such as Kubernetes by default, lets everybody in its container read them. */
async function warnOfOpenKey(file: string, logger: Logger): Promise<void> {
  const problem = openFileProblem(await stat(file));
  if (problem !== undefined) logger.warn(`TLS_KEY_FILE: ${file} ${problem}`);
}

async function readTlsFiles(files: NonNullable<Config['tls']>): Promise<TlsFiles> {
  const problems: string[] = [];
  const read = (variable: string, file: string): Promise<Buffer> =>
    readFile(file).catch((error: Error) => {
      problems.push(`${variable} cannot be read: ${error.message}`);
      return Buffer.alloc(0);
    });
  const [cert, key, clientCa] = await Promise.all([
    read('TLS_CERT_FILE', files.certFile),
    read('TLS_KEY_FILE', files.keyFile),
    files.clientCaFile === undefined ? undefined : read('TLS_CLIENT_CA_FILE', files.clientCaFile),
  ]);
  if (problems.length > 0) throw new ConfigError(problems);
  return { cert, key, clientCa };
}
