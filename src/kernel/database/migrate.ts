import { setTimeout as sleep } from 'node:timers/promises';
import { Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/postgresql';
import type pg from 'pg';
import { checkDatabase, connectAtStart } from './check-database.ts';
import { type Connection, SESSION, sessionName, withSettings } from './connection.ts';
import { DatabaseClient } from './database-client.ts';
import { type ModuleSchema, pendingOf, type Schema, schemaOf } from './schema.ts';
import { watchSilence } from './silence-watch.ts';
import { errorCode } from './sql-errors.ts';

/** Any number that nothing else in the database locks by: it makes instances that start at once wait for each other. */
const LOCK = 6_206_141_020n;

/** The schema cannot be brought up to date; the message says what to do. */
export class MigrationError extends Error {
  constructor(message: string, cause: unknown) {
    super(message, { cause });
    this.name = 'MigrationError';
  }
}

/** The database was migrated by a program that is newer than this one, which does not know what that has changed. */
export class DatabaseNewer extends Error {
  constructor(unknown: readonly string[]) {
    const newest = unknown.at(-1);
    const which = unknown.length === 1 ? `the migration ${newest}` : `${unknown.length} migrations up to ${newest}`;
    super(
      `The database belongs to a newer version of this program, or has a module that this one lacks: it does not know ${which}. Start that version or a later one, or add the module to the service. The only way back is a backup from before the upgrade: see docs/database.md.`,
    );
    this.name = 'DatabaseNewer';
  }
}

/** Names of the migrations that have not been run, oldest first. Needs no right to change anything. Throws DatabaseNewer, MigrationsInvalid. */
async function pendingMigrations(client: pg.ClientBase, schema: Schema): Promise<string[]> {
  const { rows: tables } = await client.query<{ exists: boolean }>(`select to_regclass('cqrs.migration') is not null as exists`);
  if (!tables[0]?.exists) return pendingOf(schema, new Set());
  const { rows } = await client.query<{ name: string }>('select name from cqrs.migration order by name');
  const executed = new Set(rows.map(({ name }) => name));
  const unknown = executed.difference(new Set(schema.migrations.map(({ name }) => name)));
  if (unknown.size > 0) throw new DatabaseNewer([...unknown]);
  return pendingOf(schema, executed);
}

export interface MigrateOptions {
  /** Told what is waited for. */
  readonly onProgress?: (step: string) => void;
  /** How often it tries to have the tables for itself, for a second each time and every three: a backup may be read from them. */
  readonly lockTries?: number;
}

/**
 * Brings the schema of the kernel and of the modules up to date, all of it or nothing, and returns the names of the migrations it ran. Any
 * number of instances may call it at once. Throws MigrationError, MigrationsInvalid, DatabaseNewer, DatabaseUnsuitable, NotLetIn.
 */
export async function migrate(
  owner: Connection,
  modules: readonly ModuleSchema[],
  { onProgress = () => {}, lockTries = 100 }: MigrateOptions = {},
): Promise<string[]> {
  const schema = schemaOf(modules);
  const client = await connectAtStart(owner, { purpose: 'migrations', variables: 'DATABASE_URL, DATABASE_OWNER_URL' });
  const watch = watchSilence({ connection: owner, clients: () => [client], longestMs: Number.POSITIVE_INFINITY });
  try {
    await checkDatabase(client);
    if ((await pendingMigrations(client, schema)).length === 0) return [];
    await client.query('select pg_advisory_lock($1)', [LOCK]);
    const pending = await pendingMigrations(client, schema);
    if (pending.length > 0) await runMigrations(client, owner, { schema, onProgress, lockTries });
    return pending;
  } catch (error) {
    if (isLockRefused(error)) throw new MigrationError(TABLES_IN_USE, error);
    if (errorCode(error) !== '42501') throw error;
    const needed = 'run `bicameral migrate` with DATABASE_OWNER_URL set to a role that owns the database, see docs/database.md';
    throw new MigrationError(`The role of the database URL may not change the schema: ${needed}.`, error);
  } finally {
    watch.stop();
    // The lock ends with the connection.
    await client.end();
  }
}

type Running = Required<MigrateOptions> & { readonly schema: Schema };

async function runMigrations(client: DatabaseClient, owner: Connection, options: Running): Promise<void> {
  await createRoles(client);
  await client.query('create schema if not exists cqrs');
  const clients = new Set<DatabaseClient>();
  // A migration may take as long as it takes, and so may the wait for the one of another instance.
  const watch = watchSilence({ connection: owner, clients: () => clients, longestMs: Number.POSITIVE_INFINITY });
  const orm = await MikroORM.init({
    dbName: client.database ?? '',
    driverOptions: {
      ...withSettings(owner, SESSION),
      Client: DatabaseClient,
      keepAlive: true,
      application_name: sessionName(owner, 'migrations'),
      onPoolCreated: (pool: pg.Pool) => {
        pool.on('connect', (connected) => clients.add(connected as unknown as DatabaseClient));
        pool.on('remove', (removed) => clients.delete(removed as unknown as DatabaseClient));
      },
    },
    extensions: [Migrator],
    discovery: { warnWhenNoEntities: false },
    entities: [],
    migrations: {
      tableName: 'cqrs.migration',
      migrationsList: [...options.schema.migrations],
      snapshot: false,
      disableForeignKeys: false,
    },
    logger: () => {},
  });
  try {
    await migrateLocked(orm, options);
  } finally {
    watch.stop();
    await orm.close(true);
  }
}

/**
 * Has all tables for itself, those that a command comes to first before the others, and those of the seals as the sealer does: whoever
 * has begun is through with them, and whoever begins waits with nothing in hand. Otherwise a command that holds one table and a
 * migration that holds another would wait for each other.
 *
 * While it waits, all that come later wait behind it. So it gives way after a second, and lets them pass.
 */
const lockTables = (schemas: readonly string[]): string => `do $$
  declare
    name text;
  begin
    set local lock_timeout = '1s';
    for name in
      select format('%I.%I', nspname, relname) from pg_class join pg_namespace as schema on schema.oid = relnamespace
      where nspname = any (${literal(schemas)}) and relkind in ('r', 'p') and not relispartition and relname <> 'migration'
        and pg_has_role(relowner, 'usage')
      order by array_position(${literal(schemas)}, nspname::text),
        array_position(array['command_seal_batch', 'command_log', 'command_seal'], relname::text) nulls first, relname
    loop
      execute 'lock table ' || name || ' in access exclusive mode';
    end loop;
  end $$`;

/** A schema for each module that has none yet: its tables have the rights that the unit of work needs, and no migration has to grant them. */
const prepareSchemas = ({ lists }: Schema): string => `do $$
  declare
    name text;
  begin
    foreach name in array ${literal([...lists].filter(([module, list]) => module !== 'kernel' && list.length > 0).map(([module]) => module))} loop
      continue when exists (select from pg_namespace where nspname = name);
      execute format('create schema %I', name);
      execute format('grant usage on schema %I to bicameral_writer', name);
      execute format('alter default privileges in schema %I grant select, insert, update, delete on tables to bicameral_writer', name);
      execute format('alter default privileges in schema %I grant usage on sequences to bicameral_writer', name);
    end loop;
  end $$`;

/** Names of modules and schemas, which are code and nobody's input. */
const literal = (names: readonly string[]): string =>
  `array[${names.map((name) => `'${name.replaceAll("'", "''")}'`).join(', ')}]::text[]`;

/** How long others pass before it tries again, in milliseconds. */
const LET_PASS = 2_000;

const TABLES_IN_USE =
  'The schema was not changed: a transaction, such as that of a backup, has been using its tables for minutes. Start again when it has ended; `select pid, application_name, xact_start from pg_stat_activity order by xact_start` shows it.';

async function migrateLocked(orm: MikroORM, { schema, onProgress, lockTries }: Running): Promise<void> {
  const connection = orm.em.getConnection();
  for (let left = lockTries; ; left -= 1) {
    try {
      await connection.transactional(async (transaction) => {
        await connection.execute(lockTables(schema.schemas), [], 'run', transaction);
        await connection.execute(prepareSchemas(schema), [], 'run', transaction);
        await orm.migrator.up({ transaction });
      });
      return;
    } catch (error) {
      if (!isLockRefused(error) || left <= 1) throw error;
    }
    onProgress('waiting for a transaction that uses the tables');
    await sleep(LET_PASS);
  }
}

/** The lock was not had in time, or whoever holds it waits for one that is held here. */
const isLockRefused = (error: unknown): boolean => ['55P03', '40P01'].includes(errorCode(error) ?? '');

/** Roles belong to the whole server: another database's migration may make them at the same time. */
async function createRoles(client: pg.Client): Promise<void> {
  for (const role of ['bicameral_writer', 'bicameral_reader']) {
    await client.query(`do $$ begin
      if not exists (select from pg_roles where rolname = '${role}') then create role ${role} nologin; end if;
    exception when duplicate_object or unique_violation then null;
    end $$`);
  }
  const { rows } = await client.query<{ member: boolean }>(
    `select pg_has_role(current_user, 'bicameral_reader', 'member') and pg_has_role(current_user, 'bicameral_writer', 'member')
       or not (select rolsuper or rolcreaterole from pg_roles where rolname = current_user) as member`,
  );
  if (!rows[0]?.member) await client.query('grant bicameral_reader, bicameral_writer to current_user');
}
