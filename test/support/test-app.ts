import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DescService } from '@bufbuild/protobuf';
import { type Client, type ContextValues, createClient, createContextValues, type Transport } from '@connectrpc/connect';
import { pino } from 'pino';
import { type App, application } from '../../src/app.ts';
import type { Roles } from '../../src/kernel/auth/roles.ts';
import { principalKey } from '../../src/kernel/bus/context-keys.ts';
import { DEFAULT_LIMITS, type Limits } from '../../src/kernel/config/limits.ts';
import type { Config } from '../../src/kernel/config.ts';
import { inProcessTransport } from '../../src/kernel/doors/in-process.ts';
import { type Application, rolesOf, startService } from '../../src/kernel/service.ts';
import { DEFAULT_LOG_LEVELS } from '../../src/kernel/telemetry/log-levels.ts';
import { FORM } from '../../src/kernel/telemetry/logger.ts';
import { DEFAULT_SETTINGS } from '../../src/modules/users/settings.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { PATIENCE } from './patience.ts';

/** The whole program in this process, on a database of its own. */
export interface TestApp {
  readonly app: App;
  readonly database: TestDatabase;
  readonly config: Config;
  /** The key that signs. */
  readonly keyFile: string;
  /** A client of the bus, as somebody with these roles or as a user with a token; with neither, as nobody. */
  readonly client: <S extends DescService>(service: S, caller?: Caller) => Client<S>;
  /** Everything logged so far, as text. */
  readonly log: () => string;
  readonly stop: () => Promise<void>;
}

export type Caller = { readonly roles: readonly string[]; readonly id?: string } | { readonly token: string };

/** With `beside`, another instance of the same installation: same database, same keys. With `on`, the program on that database. */
export async function startTestApp({
  beside,
  on,
  limits,
  proxies,
  tracing = { on: false, trustRemote: false },
  pushesMetrics = false,
  as = application,
  settings = {},
  queryCacheBytes,
}: {
  beside?: TestApp;
  on?: TestDatabase;
  limits?: Partial<Limits>;
  proxies?: Config['proxies'];
  /** Spans go where the environment says. */
  tracing?: Config['tracing'];
  /** So do metrics. */
  pushesMetrics?: boolean;
  /** The service with other modules than it has. */
  as?: Application;
  /** Of those modules, by their names. */
  settings?: Config['settings'];
  /** 32 MB by default, as the program has. */
  queryCacheBytes?: number;
} = {}): Promise<TestApp> {
  const database = beside?.database ?? on ?? (await createTestDatabase());
  const keys = beside ? undefined : await mkdtemp(join(tmpdir(), 'bicameral-keys-'));
  const { owner, writer, replicas } = database.connections;
  const config: Config = beside?.config ?? {
    grpcAddress: '127.0.0.1:0',
    httpAddress: '127.0.0.1:0',
    healthAddress: undefined,
    metricsAddress: '127.0.0.1:0',
    allowedHosts: undefined,
    proxies,
    corsOrigins: [],
    database: { kind: 'external', owner, writer, replicas },
    signingKeys: { kind: 'folder', folder: keys ?? '', create: true },
    foreignIssuer: undefined,
    tls: undefined,
    idempotencyHours: 24,
    shutdownGraceMs: 10_000,
    settings: { users: DEFAULT_SETTINGS, ...settings },
    // A slow machine takes its time to open connections, and to give back those that are taken.
    limits: { ...DEFAULT_LIMITS, databaseWaitMs: PATIENCE, ...limits },
    reflection: 'on',
    workers: 1,
    queryCacheBytes: queryCacheBytes ?? 32 * 1024 * 1024,
    tracing,
    pushesMetrics,
    logLevels: DEFAULT_LOG_LEVELS,
  };
  const lines: string[] = [];
  const logger = pino({ ...FORM, level: config.logLevels.level }, { write: (line: string) => lines.push(line) });
  const app = await startService(as, { config, logger });
  const roles = rolesOf(as);
  const transport = inProcessTransport(app.bus);
  return {
    app,
    database,
    config,
    keyFile: beside?.keyFile ?? join(keys ?? '', 'signing-key.pem'),
    client: (service, caller) => createClient(service, caller ? calledBy(transport, caller, roles) : transport),
    log: () => lines.join(''),
    stop: async () => {
      await app.stop();
      if (beside) return;
      await database.drop();
      await rm(keys ?? '', { recursive: true, force: true });
    },
  };
}

function calledBy(transport: Transport, caller: Caller, { permissionsOf }: Roles): Transport {
  const known = (header: Parameters<Transport['unary']>[3], contextValues: ContextValues): [Headers, ContextValues] => {
    const headers = new Headers(header);
    if ('token' in caller) headers.set('authorization', `Bearer ${caller.token}`);
    else {
      const { roles, id = 'tester' } = caller;
      contextValues.set(principalKey, { id, roles, permissions: permissionsOf(roles), session: '' });
    }
    return [headers, contextValues];
  };
  return {
    unary(method, signal, timeoutMs, header, input, contextValues = createContextValues()) {
      const [headers, values] = known(header, contextValues);
      return transport.unary(method, signal, timeoutMs, headers, input, values);
    },
    stream(method, signal, timeoutMs, header, input, contextValues = createContextValues()) {
      const [headers, values] = known(header, contextValues);
      return transport.stream(method, signal, timeoutMs, headers, input, values);
    },
  };
}
