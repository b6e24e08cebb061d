import { randomUUIDv7 } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DescService } from '@bufbuild/protobuf';
import { type Client, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { pino } from 'pino';
import { createAccessTokenIssuer } from '../../kernel/auth/access-token.ts';
import { loadKeyRing } from '../../kernel/auth/key-files.ts';
import { type Config, readConfig } from '../../kernel/config.ts';
import type { Duration } from '../../kernel/feed/timers/duration.ts';
import { type Application, type Service, startService } from '../../kernel/service.ts';
import { FORM } from '../../kernel/telemetry/logger.ts';
import type { Caller } from '../caller.ts';
import { Scenario } from '../scenario.ts';
import { openAggregates } from './aggregates.ts';
import { serviceStage } from './service-stage.ts';
import { useTestCluster } from './test-cluster.ts';
import { createDatabase, type TestDatabase } from './test-database.ts';
import { timePasses } from './time-passes.ts';

/** A whole service in this process, on a database of its own, and what a test needs to talk to it. */
export interface TestService extends AsyncDisposable {
  readonly service: Service;
  readonly database: TestDatabase;
  /**
   * What is there before the call: aggregates, commands that were `done`, and functions that get the database, for rows. All scenarios of
   * a service share its database: what is unique has to be so among them.
   */
  readonly given: (...given: readonly object[]) => Scenario;
  /** A client over gRPC, as somebody; without a caller as nobody. */
  readonly client: <S extends DescService>(service: S, caller?: Caller | { readonly token: string }) => Client<S>;
  /**
   * Lets time pass for timers, without waiting for it: when reactors and process managers have dealt with all that happened, their timers are due so
   * much sooner. Resolves before the commands are sent.
   */
  readonly timePasses: (duration: Duration) => Promise<void>;
  /** Everything logged so far, as text. */
  readonly log: () => string;
  readonly stop: () => Promise<void>;
}

/** How a service is started for tests. */
export interface TestServiceOptions {
  /** What the service reads of its environment besides, such as `RATE_LIMITS`. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** See `startTestService`. */
export async function runTestService(application: Application, { environment = {} }: TestServiceOptions): Promise<TestService> {
  const stack = new AsyncDisposableStack();
  try {
    const cluster = await useTestCluster();
    stack.defer(cluster.stop);
    const database = await createDatabase(cluster.connections, application.modules);
    stack.defer(database.drop);
    const folder = await mkdtemp(join(tmpdir(), 'bicameral-test-'));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    const config = configOf(application, { database, folder, environment });
    const lines: string[] = [];
    const logger = pino({ ...FORM, level: config.logLevels.level }, { write: (line: string) => lines.push(line) });
    const service = await startService(application, { config, logger });
    stack.defer(service.stop);
    const aggregates = await openAggregates(database.connections.writer, application.modules);
    stack.defer(aggregates.close);
    const baseUrl = `http://127.0.0.1:${service.grpcPort}`;
    const sessionManager = new Http2SessionManager(baseUrl);
    stack.defer(async () => sessionManager.abort());
    const tokens = await tokensOf(config, application);
    const transport = (caller?: Caller | { readonly token: string }): Transport =>
      createGrpcTransport({ baseUrl, sessionManager, interceptors: [withToken(() => tokens(caller ?? {}))] });
    const stage = serviceStage(application, {
      database,
      aggregates,
      transport: (caller) => transport(caller ?? OPERATOR(application)),
    });
    const kept = stack.move();
    const stop = (): Promise<void> => kept.disposeAsync();
    return {
      service,
      database,
      given: (...given) => new Scenario(stage(given), given),
      client: (of, caller) => createClient(of, transport(caller)),
      timePasses: (duration) => timePasses(database, duration),
      log: () => lines.join(''),
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } finally {
    await stack.disposeAsync();
  }
}

/** Who sends what a test names no caller for: somebody with every role. */
const OPERATOR = ({ roles }: Application): Caller => ({ id: 'operator', roles: Object.keys(roles) });

/** As long as a call takes at most, in milliseconds: on a slow machine no command of a test is refused for want of a connection. */
const LONGEST_WAIT = '30000';

function configOf(
  { modules }: Application,
  parts: { database: TestDatabase; folder: string; environment: Readonly<Record<string, string>> },
): Config {
  const { database, folder, environment } = parts;
  const { owner, writer, replicas } = database.connections;
  const anyPort = '127.0.0.1:0';
  const addresses = { GRPC_ADDRESS: anyPort, HTTP_ADDRESS: anyPort, METRICS_ADDRESS: 'off' };
  const variables = { DATA_DIR: folder, ...addresses, LIMIT_DATABASE_WAIT_MS: LONGEST_WAIT, ...environment };
  return {
    ...readConfig(variables, modules),
    database: { kind: 'external', owner, writer, replicas },
    signingKeys: { kind: 'folder', folder, create: true },
  };
}

/** Makes tokens as the service itself does; undefined for nobody. */
async function tokensOf(
  { signingKeys }: Config,
  { name, roles: known }: Application,
): Promise<(caller: Caller | { readonly token: string }) => Promise<string | undefined>> {
  const issuer = createAccessTokenIssuer((await loadKeyRing(signingKeys)).current, name);
  return async (caller) => {
    if ('token' in caller) return caller.token;
    if (caller.permissions) throw new TypeError('over the wire a caller has roles, and these have permissions: name `roles`');
    const { id = '', roles = [], session, authenticatedAt } = caller;
    const unknown = roles.filter((role) => !(role in known));
    if (unknown.length > 0)
      throw new TypeError(`the service has no role ${unknown.join(', ')}: it has ${Object.keys(known).join(', ')}`);
    if (id === '' && roles.length === 0) return undefined;
    const claims = { subject: id || 'somebody', roles, sessionEpoch: 1, now: new Date(), id: randomUUIDv7() };
    const { token } = await issuer.issue({ ...claims, ...(session && { session }), authenticatedAt });
    return token;
  };
}

const withToken =
  (tokenOf: () => Promise<string | undefined>): Interceptor =>
  (next) =>
  async (request) => {
    const token = await tokenOf();
    if (token !== undefined) request.header.set('authorization', `Bearer ${token}`);
    return await next(request);
  };
