import pg from 'pg';
import type { ClusterConnections } from '../../src/embedded-postgres/embedded-cluster.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';

const TABLES = `select format('%I.%I', nspname, relname) as name,
    (select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
      where attrelid = pg_class.oid and attnum > 0 and not attisdropped and attgenerated = '') as columns
  from pg_class join pg_namespace on pg_namespace.oid = relnamespace
  where relkind in ('r', 'p') and not relispartition and nspname !~ '^pg_' and nspname <> 'information_schema'`;

const PARTITIONS = `select format('create table if not exists %I.%I partition of %s %s', nspname, relname, inhparent::regclass,
      pg_get_expr(relpartbound, pg_class.oid)) as create, format('alter table %I.%I owner to %I', nspname, relname, pg_get_userbyid(relowner)) as own
  from pg_class join pg_namespace on pg_namespace.oid = relnamespace join pg_inherits on inhrelid = pg_class.oid
  where relkind = 'r' and relispartition`;

const SEQUENCES = `select format('%I.%I', schemaname, sequencename) as name, last_value from pg_sequences where last_value is not null`;

/**
 * Copies a database into a new one as pg_dump and psql do: what one snapshot shows of each table, with the values of the sequences, and with
 * no trigger in the way. The schema and the rights are made by the migrations, which are the same on both sides.
 */
export async function dumpInto(
  cluster: ClusterConnections,
  source: TestDatabase,
  { withSequences = true } = {},
): Promise<TestDatabase> {
  const target = await createTestDatabase(cluster);
  const [from, to] = [
    new pg.Client(source.connections.owner),
    new pg.Client({ ...cluster.superuser, database: target.connections.owner.database }),
  ];
  await Promise.all([from.connect(), to.connect()]);
  try {
    await from.query('begin isolation level repeatable read read only');
    await to.query('begin; set local session_replication_role = replica');
    const tables = (await from.query<{ name: string; columns: string }>(TABLES)).rows;
    for (const { create, own } of (await from.query<{ create: string; own: string }>(PARTITIONS)).rows)
      await to.query(`${create}; ${own}`);
    await to.query(`truncate ${tables.map(({ name }) => name).join(', ')}`);
    for (const { name, columns } of tables) {
      const { rows } = await from.query<{ row: string }>(`select source::text as row from ${name} as source`);
      await to.query(
        `insert into ${name} (${columns}) overriding system value
         select ${columns} from unnest($1::text[]) as line, lateral (select (line::${name}).*) as source`,
        [rows.map(({ row }) => row)],
      );
    }
    if (withSequences)
      for (const { name, last_value } of (await from.query(SEQUENCES)).rows)
        await to.query('select setval($1, $2)', [name, last_value]);
    await to.query('commit');
    return target;
  } finally {
    await Promise.all([from.end(), to.end()]);
  }
}

/** Has the cluster count this many transactions. */
export async function countTransactions(database: Pick<TestDatabase, 'query'>, count: number): Promise<void> {
  await database.query(`do $$ begin
    for turn in 1 .. ${count} loop
      perform pg_current_xact_id();
      commit;
    end loop;
  end $$`);
}

/** The id of the next transaction of the cluster. */
export async function nextTransaction(database: Pick<TestDatabase, 'query'>): Promise<number> {
  const [row] = await database.query<{ next: string }>('select pg_snapshot_xmax(pg_current_snapshot())::text as next');
  return Number(row?.next);
}
