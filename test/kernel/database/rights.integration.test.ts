import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { insertRecords } from '../../support/command-log.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';

const ROLES = ['bicameral_writer', 'bicameral_reader'] as const;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** What each role may do, by the name of the table or function. The months of the log are reached by it alone. */
async function rights(): Promise<Record<string, [writer: string, reader: string]>> {
  const rows = await database.query<{ name: string; role: (typeof ROLES)[number]; may: string }>(
    `with relation as (
       select class.oid, format('%s.%s', nspname, relname) as name from pg_class as class join pg_namespace on pg_namespace.oid = relnamespace
       where nspname in ('users', 'read', 'cqrs') and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
         and not relispartition and not exists (select from pg_depend where objid = class.oid and deptype in ('i', 'a') and relkind = 'S')
     ), function as (
       select routine.oid, format('%s.%s()', nspname, proname) as name from pg_proc as routine join pg_namespace on pg_namespace.oid = pronamespace
       where nspname in ('users', 'read', 'cqrs')
     ), role as (select unnest($1::text[]) as name)
     select relation.name, role.name as role, (select coalesce(string_agg(lower(privilege) || columns, ', ' order by place), '') from (
         select privilege, place, case when has_table_privilege(role.name, relation.oid, privilege) then '' else (
           select ' (' || string_agg(attname, ', ' order by attnum) || ')' from pg_attribute
           where attrelid = relation.oid and attnum > 0 and not attisdropped and privilege in ('SELECT', 'INSERT', 'UPDATE')
             and has_column_privilege(role.name, relation.oid, attnum, privilege)) end as columns
         from unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) with ordinality as one (privilege, place)
       ) as granted where columns is not null) as may
     from relation cross join role
     union all
     select function.name, role.name, case when has_function_privilege(role.name, function.oid, 'EXECUTE') then 'execute' else '' end
     from function cross join role order by 1, 2 desc`,
    [ROLES],
  );
  const byName: Record<string, [string, string]> = {};
  for (const { name, role, may } of rows) {
    byName[name] ??= ['', ''];
    byName[name][ROLES.indexOf(role)] = may;
  }
  return byName;
}

/** The same, as docs/database.md says it. */
async function documented(): Promise<Record<string, [string, string]>> {
  const page = await readFile('docs/database.md', 'utf8');
  const [, table = ''] = /\| table or function \| writer \| reader \|\n\| -+ \| -+ \| -+ \|\n((?:\|.*\n)+)/.exec(page) ?? [];
  const rows = table
    .trim()
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()));
  return Object.fromEntries(rows.map(([, name = '', writer = '', reader = '']) => [name.replaceAll('`', ''), [writer, reader]]));
}

it('docs/database.md names every table beside its schema', async () => {
  const page = await readFile('docs/database.md', 'utf8');
  const tables = await database.query<{ schema: string; names: string[] }>(
    `select nspname as schema, array_agg(relname::text) as names from pg_class join pg_namespace as space on space.oid = relnamespace
     where nspname in ('users', 'read', 'cqrs') and relkind in ('r', 'p') and not relispartition group by 1 order by 1`,
  );
  expect(tables).toHaveLength(3);
  for (const { schema, names } of tables) {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${schema}\` |`)) ?? '';
    expect([schema, names.filter((name) => !row.includes(`\`${name}\``))]).toEqual([schema, []]);
  }
});

describe('the rights of the roles', () => {
  it('are those of the table in docs/database.md', async () => {
    const is = await rights();
    const says = await documented();
    const table = Object.entries(is)
      .map(([name, [writer, reader]]) => `| \`${name}\` | ${writer} | ${reader} |\n`)
      .join('');
    if (JSON.stringify(is) !== JSON.stringify(says)) expect(`the table is:\n${table}`).toBe(says);
  });

  it('are on no schema to make anything in it, and of everybody on nothing', async () => {
    const rows = await database.query(
      `select nspname, role from pg_namespace cross join unnest(array['bicameral_writer', 'bicameral_reader', 'public']) as role
       where nspname in ('users', 'read', 'rebuild', 'cqrs', 'public') and has_schema_privilege(role, nspname, 'CREATE')`,
    );
    expect(rows).toEqual([]);
    const everybody = await database.query(
      `select relname from pg_class join pg_namespace on pg_namespace.oid = relnamespace cross join aclexplode(relacl) as acl
       where nspname in ('users', 'read', 'cqrs') and acl.grantee = 0`,
    );
    expect(everybody).toEqual([]);
  });

  it('run a function of the owner only where it has a search path of its own', async () => {
    const rows = await database.query(
      `select proname from pg_proc join pg_namespace on pg_namespace.oid = pronamespace
       where nspname = 'cqrs' and prosecdef and not coalesce(proconfig && array['search_path=pg_catalog, pg_temp'], false)`,
    );
    expect(rows).toEqual([]);
  });

  it('let the writer add events, and erase what is personal in them, and nothing else', async () => {
    await database.query(`insert into cqrs.event (id, type, payload, personal, aggregate_type, aggregate_id, aggregate_version, command_id,
      traceparent, occurred_at) values (gen_random_uuid(), 'T', 'a', 'b', 'A', gen_random_uuid(), 1, gen_random_uuid(), '', now())`);
    const writer = new pg.Client(database.connections.writer);
    await writer.connect();
    const refused = { code: '42501' };
    for (const statement of [
      `update cqrs.event set payload = 'other'`,
      'delete from cqrs.event',
      'truncate cqrs.event',
      `update cqrs.event set personal = 'other'`,
      'delete from cqrs.migration',
      `insert into cqrs.migration (name) values ('20991231000000-made-up')`,
      'delete from cqrs.command_log',
      `update cqrs.command_log set outcome = 'denied'`,
      'delete from users."user"',
      'drop table cqrs.event',
      'alter table cqrs.event disable trigger all',
    ]) {
      await expect(writer.query(statement).catch(({ code }) => [statement, { code }])).resolves.toEqual([statement, refused]);
    }
    await writer.query('update cqrs.event set personal = null');
    await writer.end();
  });

  it('let the writer mark nothing as pruned that is still there, or still to come', async () => {
    const receivedAt = new Date(Date.now() - 3 * 365 * 86_400_000);
    await insertRecords(database, 1, { receivedAt });
    const mark = (from: string, before: string) =>
      `insert into cqrs.command_log_prune values (${from}, ${before}, now(), 0, sha256(''), 'forged')`;
    const writer = new pg.Client(database.connections.writer);
    await writer.connect();
    for (const [from = '', before = ''] of [
      [`'${receivedAt.toISOString()}'`, "'2025-01-01Z'"],
      ["'-infinity'", 'now()'],
      ["'2099-01-01Z'", "'2099-02-01Z'"],
      ["'2020-02-01Z'", "'2020-01-01Z'"],
    ])
      await expect(writer.query(mark(from, before))).rejects.toMatchObject({ code: '42501' });
    await writer.query(mark("'2020-01-01Z'", "'2020-02-01Z'"));
    await writer.end();
  });
});
