import type { KeySource } from './auth/key-files.ts';
import { type Addresses, readAddresses } from './config/addresses.ts';
import { ConfigError } from './config/config-error.ts';
import { readDatabase } from './config/database.ts';
import { type ForeignIssuer, readForeignIssuer } from './config/foreign-issuer.ts';
import { readKeySource } from './config/keys.ts';
import { type Limits, readLimits } from './config/limits.ts';
import { readProxies } from './config/proxies.ts';
import { readTelemetry, type TelemetryConfig } from './config/telemetry.ts';
import { readTls, type TlsConfig } from './config/tls.ts';
import type { DatabaseConfig } from './database/open-database.ts';
import type { ProxySettings } from './doors/proxies/trusted-proxies.ts';
import type { ReflectionAccess } from './doors/standard/standard-services.ts';
import type { Module } from './module.ts';
import { type Environment, settingsReader } from './settings.ts';

/** Everything the program is told by its environment. */
export interface Config extends Addresses, TelemetryConfig {
  /** Whose word is taken about where calls come from; undefined: nobody's. */
  readonly proxies: ProxySettings | undefined;
  readonly database: DatabaseConfig;
  readonly signingKeys: KeySource;
  readonly foreignIssuer: ForeignIssuer | undefined;
  readonly tls: TlsConfig | undefined;
  /** How long a command can be sent again under its idempotency key, in hours. */
  readonly idempotencyHours: number;
  /** How long calls in flight get to finish when the program stops, in milliseconds. */
  readonly shutdownGraceMs: number;
  readonly limits: Limits;
  /** Who may read the contracts by reflection. */
  readonly reflection: ReflectionAccess;
  /** Processes that serve, sharing the addresses. */
  readonly workers: number;
  /** How much memory answers of queries may take that are kept, of each process; 0: none is kept. */
  readonly queryCacheBytes: number;
  /** What modules read, by their names. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** More would leave each too few connections to PostgreSQL: see `poolSizes`. */
const MOST_WORKERS = 16;
const REFLECTION: readonly string[] = ['on', 'off', 'authenticated'] satisfies ReflectionAccess[];

/**
 * Reads the environment, for the kernel and for the modules. An empty variable counts as unset. Throws ConfigError.
 *
 * ```ts
 * const config = readConfig(process.env, application.modules);
 * ```
 */
export function readConfig(environment: Environment, modules: readonly Pick<Module, 'name' | 'settings'>[] = []): Config {
  const { reader, problems } = settingsReader(environment);
  const { checked } = reader;
  const database = readDatabase(reader);
  const config: Config = {
    ...readAddresses(reader),
    proxies: readProxies(reader),
    database,
    signingKeys: readKeySource(reader, database),
    foreignIssuer: readForeignIssuer(reader),
    tls: readTls(reader),
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
    queryCacheBytes:
      1024 *
      1024 *
      Number(checked('QUERY_CACHE_MB', '32', (value) => /^\d{1,6}$/.test(value), 'has to be a whole number of megabytes, or 0')),
    settings: Object.fromEntries(modules.map(({ name, settings }) => [name, settings?.(reader)])),
    ...readTelemetry(reader, environment),
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(config);
}

function isWorkerCount(value: string): boolean {
  return /^[1-9]\d?$/.test(value) && Number(value) <= MOST_WORKERS;
}
