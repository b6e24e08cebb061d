import { pino } from 'pino';
import { loadKeyRing } from '../../kernel/auth/key-files.ts';
import { createSecretHasher } from '../../kernel/auth/secret-hasher.ts';
import { type Bus, createBus } from '../../kernel/bus/bus.ts';
import { declaredChanges } from '../../kernel/bus/command.ts';
import { declaredPermissions } from '../../kernel/check-modules.ts';
import { createCommandRecorder } from '../../kernel/command-log/command-recorder.ts';
import { ownerDigests } from '../../kernel/command-log/personal-owner.ts';
import { createRerun } from '../../kernel/command-log/rerun/rerun.ts';
import type { Config } from '../../kernel/config.ts';
import { createConsistencyTokens } from '../../kernel/consistency/token.ts';
import { type Connection, connectionByUrl } from '../../kernel/database/connection.ts';
import { DatabaseClient } from '../../kernel/database/database-client.ts';
import { migrate } from '../../kernel/database/migrate.ts';
import { createReadSide } from '../../kernel/database/read/read-side.ts';
import type { AggregateType } from '../../kernel/database/write/aggregate-type.ts';
import { createWriteSide } from '../../kernel/database/write/write-side.ts';
import { declaredProjections } from '../../kernel/feed/declared-projections.ts';
import { NO_NEWS } from '../../kernel/feed/news.ts';
import { consistency } from '../../kernel/middleware/consistency.ts';
import { rerunPipeline } from '../../kernel/middleware/pipeline.ts';
import { validation } from '../../kernel/middleware/validation.ts';
import { type Application, rolesOf } from '../../kernel/service.ts';
import { moduleHost } from '../../kernel/start/host.ts';
import { aggregateTypesOf, erasuresOf, eventTypesOf, startModules } from '../../kernel/start/modules.ts';
import { stopsOf } from '../../kernel/start/stops.ts';
import { escapedText } from '../../kernel/telemetry/escaped-text.ts';
import type { Recorded } from '../../modules/audit/rerun/recorded.ts';
import { rerunRecorded } from '../../modules/audit/rerun/rerun-recorded.ts';
import { explain } from '../explain.ts';

/** The database of --into cannot be replayed into; the message says why, and does not repeat the URL, which can hold a password. */
export class TargetUnusable extends Error {
  constructor(problem: string, cause?: unknown) {
    super(`--into ${problem}`, { cause });
    this.name = 'TargetUnusable';
  }
}

/** How long a connection may take, in milliseconds. */
const PATIENCE = 10_000;

/** A database that recorded commands are run into, with as much of the program as that takes: no door, no token, no replica. */
export interface ReplayTarget {
  /** Runs a command as its caller did, keeps what it does, and compares: see `rerunRecorded`. */
  readonly replay: (recorded: Recorded) => ReturnType<typeof rerunRecorded>;
  readonly close: () => Promise<void>;
}

/** Brings the schema of an empty database up to date. Throws TargetUnusable when it is not empty, or cannot be reached. */
export async function openReplayTarget(
  application: Pick<Application, 'name' | 'modules' | 'roles' | 'permissions'>,
  config: Pick<Config, 'signingKeys' | 'settings'>,
  url: string,
): Promise<ReplayTarget> {
  const stack = new AsyncDisposableStack();
  try {
    const replay = await openTarget(application, { ...config, url, stack });
    const opened = stack.move();
    return { replay, close: () => opened.disposeAsync() };
  } finally {
    await stack.disposeAsync();
  }
}

async function openTarget(
  application: Pick<Application, 'name' | 'modules' | 'roles' | 'permissions'>,
  { signingKeys, settings, url, stack }: Pick<Config, 'signingKeys' | 'settings'> & { url: string; stack: AsyncDisposableStack },
): Promise<ReplayTarget['replay']> {
  const connection = connectionByUrl(url);
  if (!connection) throw new TargetUnusable('has to be a URL, e.g. postgresql://user@host:5432/database.');
  const ring = await loadKeyRing(signingKeys);
  // What commands can be run again has aggregates.
  const modules = application.modules.filter(({ aggregates = [] }) => aggregates.length > 0);
  await assertEmpty(connection, aggregateTypesOf(modules));
  await migrate(connection, application.modules);

  const logger = pino({ level: 'error' }, process.stderr);
  const ownerDigest = ownerDigests(ring.current.deriveKey('personal owners'));
  const writes = await createWriteSide(connection, aggregateTypesOf(modules), {
    poolSize: 2,
    waitMs: PATIENCE,
    ownerDigest,
    erasures: erasuresOf(modules),
    entities: modules.flatMap(({ entities = [] }) => entities),
    declared: declaredChanges(modules),
  });
  stack.defer(writes.close);
  const sizes = { calls: 1, lookUps: 1 };
  const reads = await createReadSide({ primary: connection, replicas: [], sizes, onChange: () => {} });
  stack.defer(reads.close);
  const recorder = createCommandRecorder({ pool: writes.recordPool, logger, ownerDigest });
  stack.defer(recorder.close);
  const eventTypes = eventTypesOf(modules);
  const roles = rolesOf(application);
  const { host } = moduleHost({
    service: application.name,
    logger,
    // Nobody guesses there, so it does not matter what guesses would be counted by.
    keys: { ring, digestKey: ring.current.deriveKey },
    secrets: createSecretHasher(),
    reads,
    heldUpBy: () => undefined,
    writePool: writes.pool,
    eventTypes,
    news: NO_NEWS,
    projections: declaredProjections(modules),
    bus: () => bus,
    roles,
    permissions: Object.keys(declaredPermissions(application)),
    onDamage: () => {},
    stops: stopsOf(stack, logger),
  });
  const started = await startModules(modules, { host, settings, primary: reads.primary });
  const pipeline = rerunPipeline({ validation: validation(), writes, owners: started.owners });
  const bus: Bus = createBus(started.modules, {
    command: [],
    query: [consistency(reads, { tokens: createConsistencyTokens(ring) })],
    rerun: pipeline,
  });
  const rerun = createRerun({
    roles,
    recorder,
    report: (error, commandId) => process.stderr.write(escapedText(`${commandId} failed: ${explain(error)}\n`)),
  });
  const parts = { route: (method: string) => bus.get(method), rerun, eventTypes };
  const { signal } = new AbortController();
  return (recorded) => rerunRecorded(recorded, parts, signal);
}

async function assertEmpty(connection: Connection, aggregateTypes: readonly AggregateType<object>[]): Promise<void> {
  const kept = aggregateTypes.map(({ mapping: { meta } }) => `${meta.schema}."${meta.tableName}"`);
  const client = new DatabaseClient({
    ...connection,
    application_name: 'bicameral replay',
    connectionTimeoutMillis: PATIENCE,
    query_timeout: PATIENCE,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    for (const table of ['cqrs.command_log', 'cqrs.event', ...kept]) {
      const { rows: found } = await client.query<{ exists: boolean }>('select to_regclass($1) is not null as exists', [table]);
      if (!found[0]?.exists) continue;
      const { rowCount } = await client.query(`select from ${table} limit 1`);
      if (rowCount !== 0)
        throw new TargetUnusable(`names a database that is not empty: ${table} has rows. Replay into a new one.`);
    }
  } catch (error) {
    if (error instanceof TargetUnusable) throw error;
    throw new TargetUnusable(`names a database that cannot be used: ${Error.isError(error) ? error.message : error}`, error);
  } finally {
    await client.end();
  }
}
