import { accessSync, constants } from 'node:fs';
import { resolve } from 'node:path';
import type { KeySource } from './auth/key-files.ts';
import { type Connection, connectionByUrl, filesIn } from './database/connection.ts';
import { parseRates, type RateOverrides } from './database/limits/rates.ts';
import type { DatabaseConfig } from './database/open-database.ts';
import { parseAddress } from './doors/address.ts';
import { type AllowedHosts, parseAllowedHosts } from './doors/allowed-hosts.ts';
import { parseOrigins } from './doors/connect/cross-origin.ts';
import { EDGE_LIMITS, type EdgeLimits } from './doors/edge/edge-limits.ts';
import type { ForwardedHeader } from './doors/proxies/forwarded.ts';
import { type ProxySettings, parseNetworks } from './doors/proxies/trusted-proxies.ts';
import type { ReflectionAccess } from './doors/standard/standard-services.ts';
import type { Module } from './module.ts';
import { type Environment, type SettingsReader, settingsReader } from './settings.ts';
import { DEFAULT_LOG_LEVELS, LOG_LEVELS, type LogLevels, parseLogLevels } from './telemetry/log-levels.ts';

/** Everything the program is told by its environment. */
export interface Config {
  readonly grpcAddress: string;
  readonly httpAddress: string;
  /** For probes; undefined is nowhere but at the doors. */
  readonly healthAddress: string | undefined;
  /** For scrapes of the metrics; undefined is nowhere. */
  readonly metricsAddress: string | undefined;
  /** The hosts that the HTTP door answers under; undefined is decided by its address. */
  readonly allowedHosts: AllowedHosts | undefined;
  /** Whose word is taken about where calls come from; undefined: nobody's. */
  readonly proxies: ProxySettings | undefined;
  /** Origins whose pages may call from browsers. */
  readonly corsOrigins: readonly string[];
  readonly database: DatabaseConfig;
  readonly signingKeys: KeySource;
  readonly foreignIssuer:
    | {
        readonly jwksUrl: URL;
        readonly issuer: string;
        readonly audience: string;
        readonly tokenType: string;
        readonly maxAgeMs: number;
      }
    | undefined;
  readonly tls: { readonly certFile: string; readonly keyFile: string; readonly clientCaFile: string | undefined } | undefined;
  /** How long a command can be sent again under its idempotency key, in hours. */
  readonly idempotencyHours: number;
  /** How long calls in flight get to finish when the program stops, in milliseconds. */
  readonly shutdownGraceMs: number;
  readonly limits: Limits;
  /** Who may read the contracts by reflection. */
  readonly reflection: ReflectionAccess;
  /** Processes that serve, sharing the addresses. */
  readonly workers: number;
  readonly logLevels: LogLevels;
  readonly tracing: Tracing;
  /** Whether metrics are sent to a collector besides, as the variables of OpenTelemetry say. */
  readonly pushesMetrics: boolean;
  /** What modules read, by their names. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** What becomes of spans. All else is said by the variables of OpenTelemetry, which its SDK reads itself. */
export interface Tracing {
  /** Whether they are sent to a collector. */
  readonly on: boolean;
  /** Whether a caller decides whether its calls are recorded. */
  readonly trustRemote: boolean;
}

/** What one instance takes on, and how often one caller may call. */
export interface Limits {
  /** Unary calls. */
  readonly commandsInFlight: number;
  readonly queriesInFlight: number;
  readonly streams: number;
  /** How long a command may wait for a connection to the database, in milliseconds. */
  readonly databaseWaitMs: number;
  readonly rates: RateOverrides;
  /** Who counts: each instance for itself, or all together. */
  readonly rateStore: 'memory' | 'postgres';
  /** What callers are granted before there is a call. */
  readonly edge: EdgeLimits;
}

export type { Environment } from './settings.ts';

export const DEFAULT_LIMITS: Limits = {
  commandsInFlight: 128,
  queriesInFlight: 80,
  streams: 1000,
  databaseWaitMs: 1000,
  rates: new Map(),
  rateStore: 'memory',
  edge: EDGE_LIMITS,
};

/**
 * The environment cannot be used. The message names every bad variable at once, and what it should be.
 *
 * ```ts
 * if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
 * ```
 */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(`The configuration cannot be used:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/** More would leave each too few connections to PostgreSQL: see `poolSizes`. */
const MOST_WORKERS = 16;
const REFLECTION: readonly string[] = ['on', 'off', 'authenticated'] satisfies ReflectionAccess[];
const MEGABYTE = 1024 * 1024;

/** Where the database is, for what needs to know nothing else: a migration needs no key. Throws ConfigError. */
export function readDatabaseConfig(environment: Environment): DatabaseConfig {
  const { reader, problems } = settingsReader(environment);
  const database = readDatabase({ ...reader, dataDir: dataDirOf(reader.text) });
  if (problems.length > 0) throw new ConfigError(problems);
  return database;
}

/**
 * Reads the environment, for the kernel and for the modules. An empty variable counts as unset. Throws ConfigError.
 *
 * ```ts
 * const config = readConfig(process.env, application.modules);
 * ```
 */
export function readConfig(environment: Environment, modules: readonly Pick<Module, 'name' | 'settings'>[] = []): Config {
  const { reader, problems } = settingsReader(environment);
  const { text, checked, listed, problem } = reader;
  const address = (name: string, fallback: string): string =>
    checked(name, fallback, isAddress, 'has to be host:port, e.g. 127.0.0.1:50051');

  const dataDir = dataDirOf(text);
  const database = readDatabase({ text, problem, dataDir });
  const tokenType = checked('AUTH_TOKEN_TYPE', 'at+jwt', isTokenType, 'has to be a media type, e.g. at+jwt or JWT');
  const tokenMinutes = checked('AUTH_TOKEN_MINUTES', '60', isMinutes, 'has to be a whole number of minutes from 1 to 44640');
  const maxAgeMs = Number(tokenMinutes) * 60_000;
  for (const name of ['AUTH_TOKEN_TYPE', 'AUTH_TOKEN_MINUTES']) {
    if (text(name) && !text('AUTH_ISSUER')) problem(`${name} is set, but AUTH_ISSUER is not`);
  }
  const config: Config = {
    grpcAddress: address('GRPC_ADDRESS', '127.0.0.1:50051'),
    httpAddress: address('HTTP_ADDRESS', '127.0.0.1:8080'),
    healthAddress: text('HEALTH_ADDRESS') === undefined ? undefined : address('HEALTH_ADDRESS', ''),
    metricsAddress: text('METRICS_ADDRESS') === 'off' ? undefined : address('METRICS_ADDRESS', '127.0.0.1:9464'),
    allowedHosts: listed('ALLOWED_HOSTS', parseAllowedHosts, 'names like api.example.org,*.example.org without ports, or *'),
    proxies: readProxies(reader),
    corsOrigins:
      listed('CORS_ORIGINS', parseOrigins, 'origins like https://app.example.org without a path; * is not allowed') ?? [],
    database,
    signingKeys: readKeySource({ text, problem, dataDir, database }),
    foreignIssuer: together(
      { text, problem, names: ['AUTH_JWKS_URL', 'AUTH_ISSUER', 'AUTH_AUDIENCE'] },
      ([jwksUrl, issuer, audience]) => {
        if (!isKeySource(jwksUrl)) problem('AUTH_JWKS_URL has to be an https URL; http only on this machine');
        return { jwksUrl: URL.parse(jwksUrl) ?? new URL('https://invalid'), issuer, audience, tokenType, maxAgeMs };
      },
    ),
    tls: together({ text, problem, names: ['TLS_CERT_FILE', 'TLS_KEY_FILE'] }, ([certFile, keyFile]) => ({
      certFile: resolve(certFile),
      keyFile: resolve(keyFile),
      clientCaFile: text('TLS_CLIENT_CA_FILE'),
    })),
    shutdownGraceMs:
      1000 *
      Number(
        checked(
          'SHUTDOWN_GRACE_SECONDS',
          '7',
          (value) => /^\d{1,4}$/.test(value),
          'has to be a whole number of seconds, e.g. 25',
        ),
      ),
    idempotencyHours: Number(
      checked('IDEMPOTENCY_HOURS', '24', (value) => /^[1-9]\d{0,4}$/.test(value), 'has to be a whole number of hours from 1 on'),
    ),
    limits: readLimits(reader),
    reflection: checked(
      'REFLECTION',
      'on',
      (value) => REFLECTION.includes(value),
      `has to be one of ${REFLECTION.join(', ')}`,
    ) as ReflectionAccess,
    workers: Number(checked('WORKERS', '1', isWorkerCount, `has to be a number from 1 to ${MOST_WORKERS}`)),
    settings: Object.fromEntries(modules.map(({ name, settings }) => [name, settings?.(reader)])),
    pushesMetrics: sendsMetrics(environment),
    tracing: {
      on: sendsTraces(environment),
      trustRemote:
        checked('TRACE_TRUST_REMOTE', 'false', (value) => value === 'true' || value === 'false', 'has to be true or false') ===
        'true',
    },
    logLevels:
      parseLogLevels(
        checked(
          'LOG_LEVEL',
          'info',
          (value) => parseLogLevels(value) !== undefined,
          `has to be one of ${LOG_LEVELS.join(', ')}, and may be followed by levels for calls: info,query=warn,command=debug,stream=info`,
        ),
      ) ?? DEFAULT_LOG_LEVELS,
  };
  if (!config.tls && text('TLS_CLIENT_CA_FILE')) problem('TLS_CLIENT_CA_FILE is set, but TLS_CERT_FILE and TLS_KEY_FILE are not');
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(config);
}

/** Whether the environment names a collector for traces: the standard variables of OpenTelemetry. */
export function sendsTraces(environment: Environment): boolean {
  const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER } =
    environment;
  if (!OTEL_EXPORTER_OTLP_ENDPOINT && !OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) return false;
  if (OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true') return false;
  return !OTEL_TRACES_EXPORTER || OTEL_TRACES_EXPORTER.split(',').some((name) => name.trim() === 'otlp');
}

/**
 * Whether the environment names a collector for metrics. OTEL_EXPORTER_OTLP_ENDPOINT alone is none: many collectors of traces take no metrics,
 * and these are on the page.
 */
function sendsMetrics({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, OTEL_METRICS_EXPORTER, ...others }: Environment): boolean {
  if (others.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true') return false;
  const names = OTEL_METRICS_EXPORTER?.split(',').map((name) => name.trim());
  if (names) return names.includes('otlp');
  return Boolean(OTEL_EXPORTER_OTLP_METRICS_ENDPOINT);
}

const FORWARDED_HEADERS: readonly string[] = ['x-forwarded-for', 'forwarded'] satisfies ForwardedHeader[];

function readProxies({ text, listed, checked, problem }: SettingsReader): ProxySettings | undefined {
  const networks = listed(
    'TRUSTED_PROXIES',
    (value) => {
      const names = value.split(',').map((name) => name.trim());
      return parseNetworks(names) && names;
    },
    'addresses or networks like 10.0.0.0/8,2001:db8::1',
  );
  const isOneOf = (names: readonly string[]) => (value: string) => names.includes(value);
  const header = checked(
    'FORWARDED_HEADER',
    'x-forwarded-for',
    isOneOf(FORWARDED_HEADERS),
    `has to be ${FORWARDED_HEADERS.join(' or ')}`,
  );
  const protocol = checked('PROXY_PROTOCOL', 'off', isOneOf(['on', 'off']), 'has to be on or off');
  if (!networks) {
    for (const name of ['FORWARDED_HEADER', 'PROXY_PROTOCOL']) {
      if (text(name) && !text('TRUSTED_PROXIES')) problem(`${name} is set, but TRUSTED_PROXIES is not`);
    }
    return undefined;
  }
  return { networks, header: header as ForwardedHeader, proxyProtocol: protocol === 'on' };
}

function readLimits({ text, checked, count, problem }: SettingsReader): Limits {
  const rates = parseRates(text('RATE_LIMITS') ?? '');
  if (!rates)
    problem('RATE_LIMITS has to look like sign-up=10/60s,write=off: a class, and its calls in a period of seconds, or off');
  const stores = ['memory', 'postgres'];
  const store = checked(
    'RATE_LIMIT_STORE',
    DEFAULT_LIMITS.rateStore,
    (value) => stores.includes(value),
    'has to be memory or postgres',
  );
  return {
    commandsInFlight: count('LIMIT_COMMANDS_IN_FLIGHT', DEFAULT_LIMITS.commandsInFlight),
    queriesInFlight: count('LIMIT_QUERIES_IN_FLIGHT', DEFAULT_LIMITS.queriesInFlight),
    streams: count('LIMIT_STREAMS', DEFAULT_LIMITS.streams),
    databaseWaitMs: count('LIMIT_DATABASE_WAIT_MS', DEFAULT_LIMITS.databaseWaitMs),
    rates: rates ?? DEFAULT_LIMITS.rates,
    rateStore: store as Limits['rateStore'],
    edge: readEdgeLimits(count),
  };
}

function readEdgeLimits(count: (name: string, fallback: number) => number): EdgeLimits {
  const milliseconds = (name: string, fallback: number): number => count(name, fallback / 1000) * 1000;
  return {
    ...EDGE_LIMITS,
    connections: count('LIMIT_CONNECTIONS', EDGE_LIMITS.connections),
    connectionsPerAddress: count('LIMIT_CONNECTIONS_PER_ADDRESS', EDGE_LIMITS.connectionsPerAddress),
    unfinishedBytes: count('LIMIT_UNFINISHED_MB', EDGE_LIMITS.unfinishedBytes / MEGABYTE) * MEGABYTE,
    requestMs: milliseconds('REQUEST_SECONDS', EDGE_LIMITS.requestMs),
    idleMs: milliseconds('CONNECTION_IDLE_SECONDS', EDGE_LIMITS.idleMs),
    ageMs: milliseconds('CONNECTION_AGE_SECONDS', EDGE_LIMITS.ageMs),
    ageGraceMs: milliseconds('CONNECTION_AGE_GRACE_SECONDS', EDGE_LIMITS.ageGraceMs),
    probeMs: milliseconds('KEEPALIVE_SECONDS', EDGE_LIMITS.probeMs),
    minPingMs: milliseconds('KEEPALIVE_MIN_PING_SECONDS', EDGE_LIMITS.minPingMs),
  };
}

type Source = Pick<SettingsReader, 'text' | 'problem'>;

const dataDirOf = (text: Source['text']): string => resolve(text('DATA_DIR') ?? '.data');

function readDatabase({ text, problem, dataDir }: Source & { dataDir: string }): DatabaseConfig {
  const connection = (name: string, url: string): Connection => {
    const known = connectionByUrl(url);
    // The value may hold a password: it is not repeated.
    if (!known) problem(`${name} has to be a URL, e.g. postgresql://user@host:5432/database`);
    for (const [parameter, file] of known ? filesIn(known) : []) {
      try {
        accessSync(file, constants.R_OK);
      } catch (error) {
        problem(`${name}: ${parameter} cannot be read: ${Error.isError(error) ? error.message : error}`);
      }
    }
    return known ?? {};
  };
  const url = text('DATABASE_URL');
  const replicaUrls = (text('DATABASE_REPLICA_URLS') ?? '').split(',').filter((replica) => replica.trim() !== '');
  if (url === undefined) {
    for (const name of ['DATABASE_REPLICA_URLS', 'DATABASE_OWNER_URL']) {
      if (text(name)) problem(`${name} is set, but DATABASE_URL is not`);
    }
    return { kind: 'embedded', dataDir };
  }
  return {
    kind: 'external',
    owner: connection('DATABASE_OWNER_URL', text('DATABASE_OWNER_URL') ?? url),
    writer: connection('DATABASE_URL', url),
    replicas: replicaUrls.map((replica) => connection('DATABASE_REPLICA_URLS', replica.trim())),
  };
}

function readKeySource({ text, problem, dataDir, database }: Source & { dataDir: string; database: DatabaseConfig }): KeySource {
  const folder = text('AUTH_SIGNING_KEYS');
  const file = text('AUTH_SIGNING_KEY_FILE');
  if (folder !== undefined && file !== undefined)
    problem(
      'AUTH_SIGNING_KEYS and AUTH_SIGNING_KEY_FILE are both set: put all keys into the folder, and set only AUTH_SIGNING_KEYS',
    );
  if (folder !== undefined) return { kind: 'folder', folder: resolve(folder), create: false };
  if (file !== undefined) return { kind: 'file', file: resolve(file) };
  if (database.kind === 'external')
    problem(
      'AUTH_SIGNING_KEYS is not set; with DATABASE_URL it has to name a folder with the keys that all instances share, or AUTH_SIGNING_KEY_FILE one Ed25519 key (PKCS#8 PEM)',
    );
  return { kind: 'folder', folder: dataDir, create: true };
}

/** Variables that mean something only together: undefined when none is set, a problem when some are. */
function together<const Names extends readonly string[], T>(
  { text, problem, names }: Source & { names: Names },
  read: (values: { [Index in keyof Names]: string }) => T,
): T | undefined {
  const missing = names.filter((name) => text(name) === undefined);
  if (missing.length === 0) return read(names.map((name) => text(name)) as never);
  if (missing.length < names.length) {
    const set = names.filter((name) => text(name) !== undefined);
    problem(
      `${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} not set, but ${set.join(' and ')} ${set.length > 1 ? 'are' : 'is'}`,
    );
  }
  return undefined;
}

function isAddress(value: string): boolean {
  try {
    parseAddress(value);
    return true;
  } catch {
    return false;
  }
}

function isWorkerCount(value: string): boolean {
  return /^[1-9]\d?$/.test(value) && Number(value) <= MOST_WORKERS;
}

/** As in a header `typ` (RFC 7515, 4.1.9): `application/` may be left out. */
const isTokenType = (value: string): boolean => /^[\w!#$&^.+-]+(\/[\w!#$&^.+-]+)?$/.test(value);

/** 31 days: a token that counts for longer is a password. */
const isMinutes = (value: string): boolean => /^[1-9]\d{0,4}$/.test(value) && Number(value) <= 31 * 24 * 60;

function isUrl(value: string, protocols: readonly string[]): boolean {
  return URL.canParse(value) && protocols.includes(new URL(value).protocol);
}

/** Keys that came over an open network could be anybody's. */
function isKeySource(value: string): boolean {
  if (isUrl(value, ['https:'])) return true;
  return isUrl(value, ['http:']) && ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(value).hostname);
}
