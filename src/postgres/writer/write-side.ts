import type { EntitySchema } from '@mikro-orm/core';
import { MikroORM } from '@mikro-orm/postgresql';
import pg from 'pg';
import type { Call } from '../../cqrs/call.ts';
import { traceKey } from '../../cqrs/context-keys.ts';
import type { Connection } from '../connection.ts';
import { createPool } from '../pool.ts';
import { BindingDriver } from './binding-driver.ts';
import { UnitOfWork } from './unit-of-work.ts';

/** Connections that commands share, on one instance. */
const POOL_SIZE = 10;

/** The side of the database that commands change: the primary, as the writer role. */
export interface WriteSide {
  readonly pool: pg.Pool;
  /** A unit of work for one attempt of the command. */
  readonly unitOfWork: (call: Call) => UnitOfWork;
  readonly close: () => Promise<void>;
}

export async function createWriteSide(connection: Connection, mappings: readonly EntitySchema[]): Promise<WriteSide> {
  const pool = createPool(connection, { name: 'commands', max: POOL_SIZE, readOnly: false, types: ormTypes() });
  const orm = await MikroORM.init({
    driver: BindingDriver,
    // MikroORM insists on a name; the connections are those of the pool.
    dbName: 'bicameral',
    entities: [...mappings],
    discovery: { inferDefaultValues: false, warnWhenNoEntities: false },
    useBatchInserts: false,
    useBatchUpdates: false,
  });
  return {
    pool,
    unitOfWork: (call) =>
      new UnitOfWork({
        pool,
        fork: () => orm.em.fork(),
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
      await pool.end();
    },
  };
}

/** MikroORM reads times as text. */
function ormTypes(): pg.CustomTypesConfig {
  const types = new pg.TypeOverrides();
  types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text) => text);
  return types;
}
