import { setTimeout as sleep } from 'node:timers/promises';
import { Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/postgresql';
import type pg from 'pg';
import { checkDatabase, connectAtStart } from './check-database.ts';
import { type Connection, SESSION, withSettings } from './connection.ts';
import { DatabaseClient } from './database-client.ts';
import { Migration20261123000000Users } from './migrations/20261123000000-users.ts';
import { Migration20261124000000CommandLog } from './migrations/20261124000000-command-log.ts';
import { Migration20261125100000Sessions } from './migrations/20261125100000-sessions.ts';
import { Migration20261125110000Guesses } from './migrations/20261125110000-guesses.ts';
import { Migration20261125120000SigningKeys } from './migrations/20261125120000-signing-keys.ts';
import { Migration20261125120100Issuer } from './migrations/20261125120100-issuer.ts';
import { Migration20261125130000LeastRights } from './migrations/20261125130000-least-rights.ts';
import { Migration20261125130100MonthsAhead } from './migrations/20261125130100-months-ahead.ts';
import { Migration20261125130200PruneMarks } from './migrations/20261125130200-prune-marks.ts';
import { Migration20261125140000ComparedText } from './migrations/20261125140000-compared-text.ts';
import { Migration20261130010000RequestExcerpt } from './migrations/20261130010000-request-excerpt.ts';
import { watchSilence } from './silence-watch.ts';
import { errorCode } from './sql-errors.ts';

/** Every change of the schema, oldest first. One that has shipped is never edited. */
const MIGRATIONS = [
  { name: '20261123000000-users', class: Migration20261123000000Users },
  { name: '20261124000000-command-log', class: Migration20261124000000CommandLog },
  { name: '20261125100000-sessions', class: Migration20261125100000Sessions },
  { name: '20261125110000-guesses', class: Migration20261125110000Guesses },
  { name: '20261125120000-signing-keys', class: Migration20261125120000SigningKeys },
  { name: '20261125120100-issuer', class: Migration20261125120100Issuer },
  { name: '20261125130000-least-rights', class: Migration20261125130000LeastRights },
  { name: '20261125130100-months-ahead', class: Migration20261125130100MonthsAhead },
  { name: '20261125130200-prune-marks', class: Migration20261125130200PruneMarks },
  { name: '20261125140000-compared-text', class: Migration20261125140000ComparedText },
  { name: '20261130010000-request-excerpt', class: Migration20261130010000RequestExcerpt },
];

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
      `The database belongs to a newer version of this program, and this version does not know ${which}. Start that version or a later one. The only way back is a backup from before the upgrade: see docs/database.md.`,
    );
    this.name = 'DatabaseNewer';
  }
}

/** Names of the migrations that have not been run, oldest first. Needs no right to change anything. Throws DatabaseNewer. */
export async function pendingMigrations(client: pg.ClientBase): Promise<string[]> {
  const { rows: tables } = await client.query<{ exists: boolean }>(`select to_regclass('cqrs.migration') is not null as exists`);
  if (!tables[0]?.exists) return MIGRATIONS.map(({ name }) => name);
  const { rows } = await client.query<{ name: string }>('select name from cqrs.migration order by name');
  const executed = new Set(rows.map(({ name }) => name));
  const unknown = executed.difference(new Set(MIGRATIONS.map(({ name }) => name)));
  if (unknown.size > 0) throw new DatabaseNewer([...unknown]);
  return MIGRATIONS.map(({ name }) => name).filter((name) => !executed.has(name));
}

export interface MigrateOptions {
  /** Told what is waited for. */
  readonly onProgress?: (step: string) => void;
  /** How often it tries to have the tables for itself, for a second each time and every three: a backup may be read from them. */
  readonly lockTries?: number;
}

/**
 * Brings the schema up to date, all of it or nothing, and answers the names of the migrations it ran. Any number of instances may
 * call it at once. Throws MigrationError, DatabaseNewer, DatabaseUnsuitable, NotLetIn.
 */
export async function migrate(
  owner: Connection,
  { onProgress = () => {}, lockTries = 100 }: MigrateOptions = {},
): Promise<string[]> {
  const client = await connectAtStart(owner, { purpose: 'migrations', variables: 'DATABASE_URL, DATABASE_OWNER_URL' });
  const watch = watchSilence({ connection: owner, clients: () => [client], longestMs: Number.POSITIVE_INFINITY });
  try {
    await checkDatabase(client);
    if ((await pendingMigrations(client)).length === 0) return [];
    await client.query('select pg_advisory_lock($1)', [LOCK]);
    const pending = await pendingMigrations(client);
    if (pending.length > 0) await runMigrations(client, owner, { onProgress, lockTries });
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

async function runMigrations(client: DatabaseClient, owner: Connection, options: Required<MigrateOptions>): Promise<void> {
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
      application_name: 'bicameral migrations',
      onPoolCreated: (pool: pg.Pool) => {
        pool.on('connect', (connected) => clients.add(connected as unknown as DatabaseClient));
        pool.on('remove', (removed) => clients.delete(removed as unknown as DatabaseClient));
      },
    },
    extensions: [Migrator],
    discovery: { warnWhenNoEntities: false },
    entities: [],
    migrations: { tableName: 'cqrs.migration', migrationsList: MIGRATIONS, snapshot: false, disableForeignKeys: false },
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
const LOCK_TABLES = `do $$
  declare
    name text;
  begin
    set local lock_timeout = '1s';
    for name in
      select format('%I.%I', nspname, relname) from pg_class join pg_namespace as schema on schema.oid = relnamespace
      where nspname in ('users', 'read', 'cqrs') and relkind in ('r', 'p') and not relispartition and relname <> 'migration'
      order by array_position(array['users', 'read', 'cqrs'], nspname::text),
        array_position(array['command_seal_batch', 'command_log', 'command_seal'], relname::text) nulls first, relname
    loop
      execute 'lock table ' || name || ' in access exclusive mode';
    end loop;
  end $$`;

/** How long others pass before it tries again, in milliseconds. */
const LET_PASS = 2_000;

const TABLES_IN_USE =
  'The schema was not changed: a transaction, such as that of a backup, has been using its tables for minutes. Start again when it has ended; `select pid, application_name, xact_start from pg_stat_activity order by xact_start` shows it.';

async function migrateLocked(orm: MikroORM, { onProgress, lockTries }: Required<MigrateOptions>): Promise<void> {
  const connection = orm.em.getConnection();
  for (let left = lockTries; ; left -= 1) {
    try {
      await connection.transactional(async (transaction) => {
        await connection.execute(LOCK_TABLES, [], 'run', transaction);
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
