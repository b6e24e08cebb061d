import { MikroORM } from '@mikro-orm/postgresql';
import pg from 'pg';
import type { Call } from '../../cqrs/call.ts';
import { traceKey } from '../../cqrs/context-keys.ts';
import type { Connection } from '../connection.ts';
import { createPool } from '../pool.ts';
import { AggregateSql } from './aggregate-sql.ts';
import type { AggregateType } from './aggregate-type.ts';
import { UnitOfWork } from './unit-of-work.ts';

/** The side of the database that commands change: the primary, as the writer role. */
export interface WriteSide {
  readonly pool: pg.Pool;
  /** A unit of work for one attempt of the command. */
  readonly unitOfWork: (call: Call, attempt: number) => UnitOfWork;
  readonly close: () => Promise<void>;
}

/** `poolSize` is the number of connections that commands share, in this process. */
export async function createWriteSide(
  connection: Connection,
  types: readonly AggregateType<object>[],
  poolSize: number,
): Promise<WriteSide> {
  const pool = createPool(connection, { name: 'commands', max: poolSize, readOnly: false, pipeline: true, types: ormTypes() });
  const orm = await MikroORM.init({
    // It has to have a name, and is never connected: the statements go through the pool.
    dbName: 'bicameral',
    entities: types.map(({ mapping }) => mapping),
    discovery: { inferDefaultValues: false, warnWhenNoEntities: false },
  });
  const statements = new Map(
    types.map((type) => [type.name, new AggregateSql(type, orm.getMetadata().get(type.mapping.meta.class))]),
  );
  const sql = ({ name }: AggregateType<object>): AggregateSql => {
    const known = statements.get(name);
    if (!known) throw new Error(`no mapping is known for ${name}`);
    return known;
  };
  return {
    pool,
    unitOfWork: (call, attempt) =>
      new UnitOfWork({
        pool,
        manager: orm.em.fork(),
        sql,
        attempt,
        cancellation: call.cancellation,
        origin: {
          commandId: call.id,
          occurredAt: call.receivedAt,
          traceparent: call.contextValues.get(traceKey)?.traceparent ?? '',
          newId: call.newId,
        },
      }),
    close: async () => {
      await orm.close(true);
      await pool.close();
    },
  };
}

/** MikroORM reads times as text. */
function ormTypes(): pg.CustomTypesConfig {
  const types = new pg.TypeOverrides();
  types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text) => text);
  return types;
}
