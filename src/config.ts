import { resolve } from 'node:path';
import type { KeySource } from './auth/key-files.ts';
import { parseRates, type RateOverrides } from './middleware/rates.ts';
import { type Connection, connectionByUrl } from './postgres/connection.ts';
import type { DatabaseConfig } from './postgres/open-database.ts';
import { parseAddress } from './transport/address.ts';
import type { ReflectionAccess } from './transport/standard/standard-services.ts';

/** Everything the program is told by its environment. */
export interface Config {
  readonly grpcAddress: string;
  readonly httpAddress: string;
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
  readonly limits: Limits;
  /** Who may read the contracts by reflection. */
  readonly reflection: ReflectionAccess;
  /** Processes that serve, sharing the addresses. */
  readonly workers: number;
  readonly logLevel: string;
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
}

export const DEFAULT_LIMITS: Limits = {
  commandsInFlight: 128,
  queriesInFlight: 80,
  streams: 1000,
  databaseWaitMs: 1000,
  rates: new Map(),
  rateStore: 'memory',
};

/** The environment cannot be used; the message names every bad variable at once, and what it should be. */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(`The configuration cannot be used:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** More would leave each too few connections to PostgreSQL: see `poolSizes`. */
const MOST_WORKERS = 16;
const REFLECTION: readonly string[] = ['on', 'off', 'authenticated'] satisfies ReflectionAccess[];
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** Reads the environment. An empty variable counts as unset. Throws ConfigError. */
export function readConfig(environment: Environment): Config {
  const problems: string[] = [];
  const text = (name: string): string | undefined => environment[name] || undefined;
  const checked = (name: string, fallback: string, isGood: (value: string) => boolean, wanted: string): string => {
    const value = text(name) ?? fallback;
    if (!isGood(value)) problems.push(`${name} is ${JSON.stringify(value)}, but ${wanted}`);
    return value;
  };
  const address = (name: string, fallback: string): string =>
    checked(name, fallback, isAddress, 'has to be host:port, e.g. 127.0.0.1:50051');

  const dataDir = resolve(text('DATA_DIR') ?? '.data');
  const database = readDatabase({ text, problems, dataDir });
  const tokenType = checked('AUTH_TOKEN_TYPE', 'at+jwt', isTokenType, 'has to be a media type, e.g. at+jwt or JWT');
  const tokenMinutes = checked('AUTH_TOKEN_MINUTES', '60', isMinutes, 'has to be a whole number of minutes from 1 to 44640');
  const maxAgeMs = Number(tokenMinutes) * 60_000;
  for (const name of ['AUTH_TOKEN_TYPE', 'AUTH_TOKEN_MINUTES']) {
    if (text(name) && !text('AUTH_ISSUER')) problems.push(`${name} is set, but AUTH_ISSUER is not`);
  }
  const config: Config = {
    grpcAddress: address('GRPC_ADDRESS', '127.0.0.1:50051'),
    httpAddress: address('HTTP_ADDRESS', '127.0.0.1:8080'),
    database,
    signingKeys: readKeySource({ text, problems, dataDir, database }),
    foreignIssuer: together(
      { text, problems, names: ['AUTH_JWKS_URL', 'AUTH_ISSUER', 'AUTH_AUDIENCE'] },
      ([jwksUrl, issuer, audience]) => {
        if (!isKeySource(jwksUrl)) problems.push('AUTH_JWKS_URL has to be an https URL; http only on this machine');
        if (issuer === 'bicameral') problems.push('AUTH_ISSUER cannot be bicameral: that is this service itself');
        return { jwksUrl: URL.parse(jwksUrl) ?? new URL('https://invalid'), issuer, audience, tokenType, maxAgeMs };
      },
    ),
    tls: together({ text, problems, names: ['TLS_CERT_FILE', 'TLS_KEY_FILE'] }, ([certFile, keyFile]) => ({
      certFile: resolve(certFile),
      keyFile: resolve(keyFile),
      clientCaFile: text('TLS_CLIENT_CA_FILE'),
    })),
    idempotencyHours: Number(
      checked('IDEMPOTENCY_HOURS', '24', (value) => /^[1-9]\d{0,4}$/.test(value), 'has to be a whole number of hours from 1 on'),
    ),
    limits: readLimits({ text, checked, problems }),
    reflection: checked(
      'REFLECTION',
      'on',
      (value) => REFLECTION.includes(value),
      `has to be one of ${REFLECTION.join(', ')}`,
    ) as ReflectionAccess,
    workers: Number(checked('WORKERS', '1', isWorkerCount, `has to be a number from 1 to ${MOST_WORKERS}`)),
    logLevel: checked('LOG_LEVEL', 'info', (value) => LOG_LEVELS.includes(value), `has to be one of ${LOG_LEVELS.join(', ')}`),
  };
  if (!config.tls && text('TLS_CLIENT_CA_FILE'))
    problems.push('TLS_CLIENT_CA_FILE is set, but TLS_CERT_FILE and TLS_KEY_FILE are not');
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(config);
}

type Checked = (name: string, fallback: string, isGood: (value: string) => boolean, wanted: string) => string;

function readLimits({ text, checked, problems }: Source & { checked: Checked }): Limits {
  const count = (name: string, fallback: number): number =>
    Number(checked(name, String(fallback), (value) => /^[1-9]\d{0,6}$/.test(value), 'has to be a whole number from 1'));
  const rates = parseRates(text('RATE_LIMITS') ?? '');
  if (!rates)
    problems.push('RATE_LIMITS has to be like sign-up=10/60s,write=off: a class, and calls in a period of seconds or off');
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
  };
}

interface Source {
  readonly text: (name: string) => string | undefined;
  readonly problems: string[];
}

function readDatabase({ text, problems, dataDir }: Source & { dataDir: string }): DatabaseConfig {
  const connection = (name: string, url: string): Connection => {
    const known = connectionByUrl(url);
    // The value may hold a password: it is not repeated.
    if (!known) problems.push(`${name} has to be a URL, e.g. postgresql://user@host:5432/database`);
    return known ?? {};
  };
  const url = text('DATABASE_URL');
  const replicaUrls = (text('DATABASE_REPLICA_URLS') ?? '').split(',').filter((replica) => replica.trim() !== '');
  if (url === undefined) {
    for (const name of ['DATABASE_REPLICA_URLS', 'DATABASE_OWNER_URL']) {
      if (text(name)) problems.push(`${name} is set, but DATABASE_URL is not`);
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

function readKeySource({ text, problems, dataDir, database }: Source & { dataDir: string; database: DatabaseConfig }): KeySource {
  const folder = text('AUTH_SIGNING_KEYS');
  const file = text('AUTH_SIGNING_KEY_FILE');
  if (folder !== undefined && file !== undefined)
    problems.push('AUTH_SIGNING_KEYS and AUTH_SIGNING_KEY_FILE are both set: the folder has to hold all keys');
  if (folder !== undefined) return { kind: 'folder', folder: resolve(folder), create: false };
  if (file !== undefined) return { kind: 'file', file: resolve(file) };
  if (database.kind === 'external')
    problems.push(
      'AUTH_SIGNING_KEYS is not set; with DATABASE_URL it has to name a folder with the keys that all instances share, or AUTH_SIGNING_KEY_FILE one Ed25519 key (PKCS#8 PEM)',
    );
  return { kind: 'folder', folder: dataDir, create: true };
}

/** Variables that mean something only together: undefined when none is set, a problem when some are. */
function together<const Names extends readonly string[], T>(
  { text, problems, names }: Source & { names: Names },
  read: (values: { [Index in keyof Names]: string }) => T,
): T | undefined {
  const missing = names.filter((name) => text(name) === undefined);
  if (missing.length === 0) return read(names.map((name) => text(name)) as never);
  if (missing.length < names.length) {
    const set = names.filter((name) => text(name) !== undefined);
    problems.push(
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
