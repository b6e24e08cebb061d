import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/postgresql';
import pg from 'pg';
import { QueryService as AuditQueries } from '../../../gen/audit/v1/query_service_pb.js';
import { QueryService as UserQueries } from '../../../gen/users/v1/query_service_pb.js';
import { application } from '../../../src/app.ts';
import { parseKey } from '../../../src/kernel/auth/signing-key.ts';
import { verifyLog } from '../../../src/kernel/command-log/seals/verify/verify-log.ts';
import type { Connection } from '../../../src/kernel/database/connection.ts';
import { migrate } from '../../../src/kernel/database/migrate.ts';
import type { NamedMigration } from '../../../src/kernel/database/named-migration.ts';
import { createPool } from '../../../src/kernel/database/pool.ts';
import { schemaOf } from '../../../src/kernel/database/schema.ts';
import { createEmptyDatabase, type TestDatabase } from '../../support/database.ts';
import { asAdmin, logIn } from '../../support/people.ts';
import { withEarlierForms } from '../../support/restored-log.ts';
import { startTestApp } from '../../support/test-app.ts';
import { FIRST_MIGRATION_OF_0_1 } from './version-0.1.ts';

/** All rows of a database that a program of then had filled by commands of every kind, and sealed; and the public half of its key. */
interface Filled {
  readonly publicKey: string;
  readonly tables: Readonly<Record<string, { columns: Readonly<Record<string, string>>; rows: readonly (string | null)[][] }>>;
}

/** Each is named after the migration behind which it was filled. */
const [OLDEST, NEWEST] = ['20261124000000-command-log', '20261125140000-compared-text'].map((behind) => ({
  behind,
  ...(JSON.parse(readFileSync(`test/kernel/database/fixtures/${behind}.json`, 'utf8')) as Filled),
})) as [Filled & { behind: string }, Filled & { behind: string }];

/** Empty in a database of then: the service fills them as it runs. */
const OF_THE_FEED = [
  ...['dead_letter', 'feed', 'instance', 'process_state', 'processor', 'rebuild', 'subscription', 'timer'].map(
    (name) => `cqrs.${name}`,
  ),
  ...['user_count', 'user_day', 'user_status'].map((name) => `read.${name}`),
];

const { migrations } = schemaOf(application.modules);
/** What the databases that there are have run before: version 0.1 made the events together with the users. */
const after = migrations.filter(({ name }) => name >= OLDEST.behind);

let database: TestDatabase;
afterEach(() => database.drop());

async function run(owner: Connection, some: readonly NamedMigration[]): Promise<void> {
  const orm = await MikroORM.init({
    dbName: owner.database ?? '',
    // Dropping the database ends what is idle.
    driverOptions: { ...owner, onPoolCreated: (pool: pg.Pool) => pool.on('error', () => {}) },
    extensions: [Migrator],
    discovery: { warnWhenNoEntities: false },
    entities: [],
    migrations: { tableName: 'cqrs.migration', migrationsList: [...some], snapshot: false },
    logger: () => {},
  });
  await orm.migrator.up();
  await orm.close(true);
}

const tablesOf = (): Promise<{ name: string; columns: string[] }[]> =>
  database.query(`select nspname || '.' || relname as name, array_agg(attname::text) as columns
    from pg_class join pg_namespace on pg_namespace.oid = relnamespace join pg_attribute on attrelid = pg_class.oid
    where nspname in ('users', 'read', 'cqrs') and relkind in ('r', 'p') and not relispartition and relname not in ('migration', 'rate_limit')
      and attnum > 0 and not attisdropped and attgenerated = '' group by 1 order by 1`);

const quoted = (table: string): string => table.replace(/\.(.*)/, '."$1"');

/** Puts the rows into the tables that there are, as far as these have the columns. */
async function fill(filled: Filled, only: (table: string) => boolean = () => true): Promise<void> {
  const known = new Map((await tablesOf()).map(({ name, columns }) => [name, columns]));
  for (const [table, { columns, rows }] of Object.entries(filled.tables)) {
    const own = Object.keys(columns).filter((column) => known.get(table)?.includes(column));
    if (own.length === 0 || !only(table)) continue;
    const names = own.map((name) => `"${name}"`).join(', ');
    const values = own.map((name, index) => `$${index + 1}::text::${columns[name]}`).join(', ');
    for (const row of rows) {
      const rowValues = own.map((name) => row[Object.keys(columns).indexOf(name)]);
      await database.query(`insert into ${quoted(table)} (${names}) overriding system value values (${values})`, rowValues);
    }
  }
}

/** How many rows each table has. */
async function counts(): Promise<Record<string, number>> {
  const result: Record<string, number> = {};
  for (const { name } of await tablesOf()) {
    const [row] = await database.query<{ count: number }>(`select count(*)::int as count from ${quoted(name)}`);
    result[name] = row?.count ?? 0;
  }
  return result;
}

async function verified({ publicKey }: Filled): Promise<string[]> {
  const key = await parseKey(publicKey);
  const pool = createPool(database.connections.writer, { name: 'verification', max: 1, readOnly: false });
  const events = await Array.fromAsync(verifyLog({ pool, keys: new Map([[key.publicJwk.kid, key]]) }));
  await pool.close();
  return events.flatMap((event) => {
    if (event.kind === 'result') return [`${event.verified} verified`];
    return event.kind === 'finding' ? [`${event.finding.kind} ${event.finding.sequence} ${event.finding.description}`] : [];
  });
}

describe('a database with rows in all of its tables', () => {
  it.each(after.map(({ name }) => name))('is brought up to date from %s, with all that is in it', async (last) => {
    database = await createEmptyDatabase();
    const { owner } = database.connections;
    const first = new pg.Client(owner);
    await first.connect();
    for (const statement of FIRST_MIGRATION_OF_0_1) await first.query(statement);
    await first.end();
    await run(
      owner,
      migrations.filter(({ name }) => name <= last),
    );

    const isNew = last >= NEWEST.behind;
    const filled = isNew ? NEWEST : OLDEST;
    await withEarlierForms(database, async () => {
      await fill(filled);
      // What came between the two has the rows of the later one: its tables are as they were made.
      if (!isNew) await fill(NEWEST, (table) => !(table in OLDEST.tables));
    });
    for (const table of ['cqrs.command_log', 'cqrs.event']) {
      await database.query(`select setval(pg_get_serial_sequence('${table}', 'position'), max(position)) from ${table}`);
    }
    const before = await counts();
    const empty = Object.entries(before).flatMap(([table, count]) => (count === 0 ? [table] : []));
    expect(empty.filter((table) => !OF_THE_FEED.includes(table))).toEqual(['cqrs.command_log_prune']);

    const pending = migrations.filter(({ name }) => name > last).map(({ name }) => name);
    expect(await migrate(owner, application.modules)).toEqual(pending);
    expect(await counts()).toMatchObject(before);
    expect(await verified(filled)).toEqual([`${filled.tables['cqrs.command_seal']?.rows.length} verified`]);
    const names = await database.query<{ name: string }>(
      `select directory.name from read.user_directory as directory join users."user" using (id, name) order by name collate "C"`,
    );
    expect(names.map(({ name }) => name)).toEqual(['', 'Countess Ada', 'Grace H\u00f6pper']);
    const [found] = await database.query<{ found: number }>(
      `select count(*)::int as found from read.user_directory where search_text like '%hopper%' or name_key like 'grace%'`,
    );
    expect(found?.found).toBe(1);

    // The keys that the program of then had are not here: they were given up.
    await database.query(`insert into cqrs.signing_key (key_id, digest_key, forgotten_at)
      select key_id, '', now() from (select key_id from cqrs.command_seal_batch union select key_id from cqrs.signing_key) as used
      on conflict (key_id) do update set digest_key = '', forgotten_at = now()`);
    const app = await startTestApp({ on: database });
    try {
      const auditor = { roles: ['auditor'] };
      const strong = { headers: { 'cqrs-consistency': 'strong' } };
      const { users } = await app.client(UserQueries, auditor).listUsers({}, strong);
      expect(users.map(({ name }) => name).sort()).toEqual(['Countess Ada', 'Grace H\u00f6pper']);
      const { commands } = await app.client(AuditQueries, auditor).listCommands({ pageSize: 100 }, strong);
      expect(commands).toHaveLength(before['cqrs.command_log'] ?? 0);
      for (const { commandId, eventIds } of commands) {
        const { events } = await app.client(AuditQueries, auditor).getCommand({ commandId }, strong);
        expect(events.map(({ eventId, payload }) => [eventId, payload !== undefined])).toEqual(eventIds.map((id) => [id, true]));
      }
      await logIn(app, { email: 'ada@example.org' }, 'eleven quiet rivers bend');
      await asAdmin(app).changeName({ userId: users.find(({ name }) => name === 'Countess Ada')?.id ?? '', name: 'Ada King' });
    } finally {
      await app.app.stop();
    }
  });
});
