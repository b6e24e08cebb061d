import type { Logger } from 'pino';
import { type Keys, openKeys } from '../auth/open-keys.ts';
import { declaredChanges } from '../bus/command.ts';
import { type OwnerDigest, ownerDigests } from '../command-log/personal-owner.ts';
import type { Config } from '../config.ts';
import { tooFewConnections } from '../database/check-database.ts';
import type { Connection } from '../database/connection.ts';
import { openMigratedDatabase } from '../database/open-database.ts';
import { mostConnections, poolSizes } from '../database/pool.ts';
import { createReadSide, type ReadSide } from '../database/read/read-side.ts';
import { recordTimeline } from '../database/read/timelines.ts';
import type { OnEvents } from '../database/write/changed-aggregates.ts';
import { createWriteSide, type WriteSide } from '../database/write/write-side.ts';
import type { Module } from '../module.ts';
import { aggregateTypesOf, erasuresOf, projectionsOf } from './modules.ts';
import type { Stops } from './stops.ts';

/** The databases, open and migrated, with the keys that go with them. */
export interface Databases {
  readonly writes: WriteSide;
  readonly reads: ReadSide;
  readonly keys: Keys;
  readonly ownerDigest: OwnerDigest;
  readonly writer: Connection;
}

export async function openDatabases(
  config: Config,
  parts: {
    service: string;
    modules: readonly Module[];
    logger: Logger;
    onProgress: (step: string) => void;
    onEvents: OnEvents;
    stops: Stops;
  },
): Promise<Databases> {
  const { service, modules, logger, onProgress, onEvents, stops } = parts;
  const database = await openMigratedDatabase(config.database, modules, { service, onProgress, logger });
  stops.stack.defer(database.close);
  const { writer, reader, replicas } = database.connections;
  const keys = await openKeys(config.signingKeys, writer);
  const ownerDigest = ownerDigests(keys.digestKey('personal owners'));
  const sizes = poolSizes(config.workers, config.limits.databaseConnections);
  const writes = await createWriteSide(writer, aggregateTypesOf(modules), {
    poolSize: sizes.calls,
    waitMs: config.limits.databaseWaitMs,
    ownerDigest,
    erasures: erasuresOf(modules),
    entities: modules.flatMap(({ entities = [] }) => entities),
    projections: projectionsOf(modules),
    declared: declaredChanges(modules),
    moduleOf: (type) => modules.find(({ aggregates = [] }) => aggregates.some(({ name }) => name === type))?.name,
    onEvents,
  });
  stops.briefly('writes', writes.close);
  const tooFew = await tooFewConnections(writes.pool, mostConnections(config.workers, config.limits.databaseConnections));
  if (tooFew !== undefined) logger.warn(tooFew);
  const reads = await createReadSide({
    primary: reader,
    replicas,
    sizes,
    onChange: (name, healthy, error) =>
      logger[healthy ? 'info' : 'warn'](
        { database: name, ...(error !== undefined && { err: error }) },
        healthy ? 'database is up' : 'database is unavailable',
      ),
    onDemoted: writes.renew,
    // Seen again at the next look, where it fails.
    onTimeline: () =>
      void recordTimeline(writes.pool).catch((error: unknown) =>
        logger.warn({ err: error }, 'the timeline of the primary could not be recorded'),
      ),
  });
  stops.briefly('reads', reads.close);
  return { writes, reads, keys, ownerDigest, writer };
}
