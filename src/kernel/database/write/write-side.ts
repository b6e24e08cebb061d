import type { EntitySchema } from '@mikro-orm/core';
import { createPostgreSqlTypeParsers, MikroORM } from '@mikro-orm/postgresql';
import pg from 'pg';
import type { Call } from '../../bus/call.ts';
import type { DeclaredChanges } from '../../bus/command.ts';
import type { OwnerDigest } from '../../command-log/personal-owner.ts';
import type { Connection } from '../connection.ts';
import { type ConnectionPool, createPool } from '../pool.ts';
import { AggregateRows } from './aggregate-rows.ts';
import { AggregateSql } from './aggregate-sql.ts';
import { partMappings } from './aggregate-tree.ts';
import type { AggregateType } from './aggregate-type.ts';
import { BoundDriver } from './bound-driver.ts';
import type { OnEvents } from './changed-aggregates.ts';
import type { Claim } from './idempotency-keys.ts';
import { flushSubscriber } from './orm-session.ts';
import { holdPlainValues } from './plain-values.ts';
import { checkStatements, type KeptProjection } from './statement-check.ts';
import { UnitOfWork, unitOfWorkKey } from './unit-of-work.ts';

/** How long a record may wait for its connection, in milliseconds. */
const RECORD_PATIENCE = 2_000;

/** The side of the database that commands change: the primary, as the writer role. */
export interface WriteSide {
  readonly pool: pg.Pool;
  /** For the records of commands that have no transaction of their own; a full pool of commands does not hold them up. */
  readonly recordPool: pg.Pool;
  /** Both. */
  readonly pools: readonly ConnectionPool[];
  /** A unit of work for one try of the command, from 1. It looks for the idempotency key that is sought. */
  readonly unitOfWork: (call: Call, tryNumber: number, soughtKey?: Claim) => UnitOfWork;
  /** The rows that aggregates of a type are kept in, all of them. */
  readonly rowsOf: (type: AggregateType<object>) => AggregateRows;
  /** Opens the connections anew, those in use when they are free. */
  readonly renew: () => void;
  readonly close: () => Promise<void>;
}

/** The database acknowledges commands that a crash can still undo. */
export class CommitsNotDurable extends Error {
  constructor() {
    super(
      'The database has synchronous_commit off for this service, so that a crash could undo acknowledged commands. Set it to on for the role of DATABASE_URL: alter role … set synchronous_commit = on.',
    );
    this.name = 'CommitsNotDurable';
  }
}

/**
 * `poolSize` is the number of connections that commands share, in this process, and `waitMs` how long one may wait for a free one.
 * Throws CommitsNotDurable, StatementsRefused.
 */
export async function createWriteSide(
  connection: Connection,
  types: readonly AggregateType<object>[],
  {
    poolSize,
    waitMs,
    ownerDigest,
    erasures = [],
    entities = [],
    projections = [],
    declared = new Map(),
    moduleOf = () => undefined,
    onEvents = () => {},
  }: {
    poolSize: number;
    waitMs?: number;
    ownerDigest: OwnerDigest;
    /** What modules erase of a person: see `erasureOf`. */
    erasures?: readonly string[];
    /** What scripts work on by the EntityManager, beside the aggregates and what these refer to. */
    entities?: readonly EntitySchema[];
    /** Those that follow the feed, whose statements are checked too. */
    projections?: readonly KeptProjection[];
    declared?: DeclaredChanges;
    /** The name of the module that an aggregate type is part of. */
    moduleOf?: (type: string) => string | undefined;
    onEvents?: OnEvents;
  },
): Promise<WriteSide> {
  const pool = createPool(connection, {
    name: 'commands',
    max: poolSize,
    readOnly: false,
    connectionTimeoutMs: waitMs,
    pipeline: true,
    types: ormTypes(),
  });
  const recordPool = createPool(connection, { name: 'records', max: 1, readOnly: false, connectionTimeoutMs: RECORD_PATIENCE });
  const closePools = async (): Promise<void> => {
    await Promise.all([pool.close(), recordPool.close()]);
  };
  try {
    await checkDurable(pool);
    const orm = await MikroORM.init({
      // It has to have a name, and is never connected: the statements go through the pool, in the transactions of commands.
      dbName: 'bicameral',
      driver: BoundDriver,
      entities: [...types.map(({ mapping }) => mapping), ...entities],
      subscribers: [flushSubscriber],
      discovery: { inferDefaultValues: false, warnWhenNoEntities: false },
    });
    const metadata = orm.getMetadata();
    for (const mapped of metadata) holdPlainValues(mapped);
    const kept = types.map((type) => {
      const root = metadata.get(type.mapping.meta.class);
      return { type, root, parts: partMappings(root, (name) => metadata.get(name)), module: moduleOf(type.name) };
    });
    await checkStatements(pool, kept, projections);
    const sqlByType = new Map(kept.map(({ type, root }) => [type.name, new AggregateSql(type, root)]));
    return writeSide({ pool, recordPool, closePools, orm, sqlByType, ownerDigest, erasures, declared, onEvents });
  } catch (error) {
    await closePools();
    throw error;
  }
}

async function checkDurable(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query<{ synchronous_commit: string }>('show synchronous_commit');
  if (rows[0]?.synchronous_commit === 'off') throw new CommitsNotDurable();
}

function writeSide(parts: {
  pool: ConnectionPool;
  recordPool: ConnectionPool;
  closePools: () => Promise<void>;
  orm: MikroORM;
  sqlByType: ReadonlyMap<string, AggregateSql>;
  ownerDigest: OwnerDigest;
  erasures: readonly string[];
  declared: DeclaredChanges;
  onEvents: OnEvents;
}): WriteSide {
  const { pool, recordPool, closePools, orm, sqlByType, ownerDigest, erasures, declared, onEvents } = parts;
  const sql = ({ name }: AggregateType<object>): AggregateSql => {
    const known = sqlByType.get(name);
    if (!known) throw new Error(`${name} is no aggregate of a module: list its type in \`aggregates\` of its module.ts`);
    return known;
  };
  return {
    pool,
    recordPool,
    pools: [pool, recordPool],
    unitOfWork: (call, tryNumber, soughtKey) =>
      new UnitOfWork({
        pool,
        manager: orm.em.fork(),
        sql,
        call,
        tryNumber,
        ownerDigest,
        erasures,
        declared,
        onEvents,
        soughtKey,
        earlier: tryNumber === 1 ? undefined : call.contextValues.get(unitOfWorkKey),
      }),
    rowsOf: (type) => new AggregateRows(type, sql(type), () => orm.em.fork()),
    renew: () => {
      pool.renew();
      recordPool.renew();
    },
    close: async () => {
      await orm.close(true);
      await closePools();
    },
  };
}

/** MikroORM reads dates, times and intervals as text. */
export function ormTypes(): pg.CustomTypesConfig {
  const types = new pg.TypeOverrides();
  const parsers = createPostgreSqlTypeParsers((text) =>
    (pg.types.getTypeParser(TEXT_ARRAY as never) as (text: string) => string[])(text),
  );
  for (const [oid, parse] of Object.entries(parsers)) types.setTypeParser(Number(oid), parse);
  return types;
}

/** The type text[], whose number `pg` does not name. */
const TEXT_ARRAY = 1009;
