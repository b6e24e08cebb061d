import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { Connection } from '../../../src/kernel/database/connection.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { eventually } from '../../support/eventually.ts';

const stack = new AsyncDisposableStack();
let database: TestDatabase;
let writer: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  stack.defer(database.drop);
  writer = await connected(database.connections.writer);
});
afterAll(() => stack.disposeAsync());

async function connected(connection: Connection): Promise<pg.Client> {
  const client = new pg.Client(connection);
  client.on('error', () => {});
  await client.connect();
  stack.defer(() => client.end());
  return client;
}

const asWriter = (verb: string, ...tables: string[]) => writer.query(`select cqrs.${verb}_rebuild($1)`, [tables]);
const asOwner = async (...statements: string[]): Promise<void> => {
  const client = new pg.Client(database.connections.owner);
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
};

/** Everything that the catalogs say of a table in `read`, but for the numbers of its parts. */
async function described(table: string): Promise<unknown[]> {
  const without = (row: string, ...columns: string[]) => `to_jsonb(${row}) - array['${columns.join(`', '`)}']`;
  const rows = await database.query<{ part: unknown }>(
    `select ${without('class', 'oid', 'relfilenode', 'reltoastrelid', 'reltype', 'relpages', 'reltuples', 'relallvisible', 'relallfrozen', 'relfrozenxid', 'relminmxid', 'relnatts', 'relacl')}
       || jsonb_build_object('acl', array(select acl::text from unnest(relacl) as acl order by 1), 'comment', obj_description(class.oid)) as part
       from pg_class as class where class.oid = $1::regclass
     union all select to_jsonb(reloptions) from pg_class where oid = (select reltoastrelid from pg_class where oid = $1::regclass)
     union all select ${without('col', 'attrelid', 'attnum', 'attndims')} || jsonb_build_object('place', row_number() over (order by attnum), 'default', pg_get_expr(adbin, adrelid),
         'comment', col_description(attrelid, attnum)) from pg_attribute as col left join pg_attrdef on adrelid = attrelid and adnum = attnum
       where attrelid = $1::regclass and attnum > 0 and not attisdropped
     union all select ${without('con', 'oid', 'conrelid', 'conindid', 'conkey', 'conbin')} || jsonb_build_object('text', pg_get_constraintdef(con.oid), 'on', conindid::regclass)
       from pg_constraint as con where conrelid = $1::regclass
     union all select ${without('ind', 'indexrelid', 'indrelid', 'indkey', 'indexprs', 'indpred')} || jsonb_build_object('text', pg_get_indexdef(indexrelid))
       from pg_index as ind where indrelid = $1::regclass
     union all select ${without('trigger', 'oid', 'tgrelid', 'tgattr', 'tgqual')} || jsonb_build_object('text', pg_get_triggerdef(trigger.oid))
       from pg_trigger as trigger where tgrelid = $1::regclass and not tgisinternal`,
    [table],
  );
  return rows.map(({ part }) => part).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

const ODD = `create table read."odd One" (
  gone integer,
  id uuid primary key,
  person uuid constraint of_a_person references users."user" on delete cascade,
  name text collate "C" not null default 'x',
  count integer constraint counted check (count >= 0),
  span int4range,
  twice integer generated always as (count + 1) stored,
  constraint odd_name unique (name) deferrable initially deferred,
  constraint odd_span exclude using gist (span with &&)
) with (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_enabled = false)`;

const ODDITIES = [
  ODD,
  'alter table read."odd One" drop column gone',
  'create unique index odd_lower on read."odd One" (lower(name)) include (count) with (fillfactor = 80)',
  'create index odd_some on read."odd One" (count desc nulls last) where count > 3',
  'create index odd_search on read."odd One" using gin (name gin_trgm_ops)',
  'create index odd_count on read."odd One" (count)',
  'alter table read."odd One" cluster on odd_count',
  'alter table read."odd One" replica identity using index "odd One_pkey"',
  'alter table read."odd One" alter column name set statistics 500',
  'alter table read."odd One" alter column count set (n_distinct = 7)',
  'alter table read."odd One" alter column name set storage external',
  'create trigger odd_key before insert on read."odd One" for each row when (new.count is null) execute function read.key_user()',
  'create trigger odd_off before update of count on read."odd One" for each row execute function read.key_user()',
  'alter table read."odd One" disable trigger odd_off',
  `comment on table read."odd One" is 'it''s odd'`,
  `comment on column read."odd One".name is 'a name'`,
  'revoke all on read."odd One" from bicameral_writer, bicameral_reader',
  'grant select, insert, update on read."odd One" to bicameral_writer with grant option',
  'grant select (id, name) on read."odd One" to bicameral_reader',
];

describe('a table that is made anew', () => {
  it.each([
    ['the directory of users', 'read.user_directory', 'read.user_directory'],
    ['one with everything that a table may have', 'read.odd One', 'read."odd One"'],
  ])('is %s, with its rows, when it has been swapped', async (_, name, table) => {
    if (name === 'read.odd One') await asOwner(...ODDITIES);
    const before = await described(table);
    const [old] = await database.query('select $1::regclass::oid as oid', [table]);
    const columns =
      name === 'read.odd One'
        ? '(id, count) values (gen_random_uuid(), 3)'
        : `
      (id, email, name, status, roles, created_at, updated_at, version) values (gen_random_uuid(), '', 'Ada', 'active', '{}', now(), now(), 1)`;
    await asWriter('begin', name);
    await writer.query(`insert into ${table.replace('read.', 'rebuild.')} ${columns}`);
    await asWriter('index', name);
    await asWriter('index', name);
    await asWriter('finish', name);
    expect(await described(table)).toEqual(before);
    expect(await database.query('select $1::regclass::oid as oid', [table])).not.toEqual([old]);
    expect((await writer.query(`select from ${table}`)).rowCount).toBe(1);
    expect(await database.query(`select from pg_class where relnamespace = 'rebuild'::regnamespace`)).toEqual([]);
  });

  it('is not swapped when the old one was changed meanwhile', async () => {
    await asOwner('create table read.changed (id uuid primary key)');
    await asWriter('begin', 'read.changed');
    await asWriter('index', 'read.changed');
    await asOwner('alter table read.changed add column more integer');
    await expect(asWriter('finish', 'read.changed')).rejects.toMatchObject({ code: '55000' });
    await asWriter('begin', 'read.changed');
    await asWriter('index', 'read.changed');
    await asOwner('create index changed_more on read.changed (more)');
    await expect(asWriter('finish', 'read.changed')).rejects.toMatchObject({ code: '55000' });
    await asWriter('index', 'read.changed');
    await asWriter('finish', 'read.changed');
  });

  it('goes without a trace, as often as it is asked to', async () => {
    await asWriter('begin', 'read.user_directory');
    await asWriter('drop', 'read.user_directory', 'read.nothing');
    await asWriter('drop', 'read.user_directory');
    expect(await database.query(`select from pg_class where relnamespace = 'rebuild'::regnamespace`)).toEqual([]);
    expect(await database.query(`select to_regclass('read.user_directory') is not null as is_there`)).toEqual([
      { is_there: true },
    ]);
  });
});

describe('no table is made anew', () => {
  it.each([
    ['of another schema', 'users.user', '42P01', ''],
    ['that does not exist', 'read.nothing', '42P01', ''],
    ['that is an index', 'read.user_directory_email', '42P01', ''],
    ['that is a view', 'read.seen', '0A000', 'create view read.seen as select 1 as one'],
    [
      'that a view reads',
      'read.viewed',
      '0A000',
      'create table read.viewed (id uuid primary key); create view read.view as select id from read.viewed',
    ],
    [
      'that another refers to',
      'read.referred',
      '0A000',
      'create table read.referred (id uuid primary key); create table read.refers (id uuid references read.referred)',
    ],
    ['that counts', 'read.counted', '0A000', 'create table read.counted (id bigserial primary key)'],
    ['with an identity', 'read.identified', '0A000', 'create table read.identified (id bigint generated always as identity)'],
    ['with partitions', 'read.parted', '0A000', 'create table read.parted (id uuid) partition by hash (id)'],
    [
      'with heirs',
      'read.parent',
      '0A000',
      'create table read.parent (id uuid); create table read.child () inherits (read.parent)',
    ],
    [
      'with policies for rows',
      'read.guarded',
      '0A000',
      'create table read.guarded (id uuid); alter table read.guarded enable row level security',
    ],
    [
      'with extended statistics',
      'read.measured',
      '0A000',
      'create table read.measured (a integer, b integer); create statistics read.pair on a, b from read.measured',
    ],
  ])('%s', async (_, name, code, statement) => {
    await asOwner(statement);
    await expect(asWriter('begin', name)).rejects.toMatchObject({ code });
    await expect(asWriter('finish', name)).rejects.toMatchObject({ code });
    await asOwner('drop schema if exists nothing');
  });
});

describe('readers and writers', () => {
  beforeEach(() =>
    asOwner('drop table if exists read.busy', 'create table read.busy (id integer primary key, round integer not null)'),
  );

  it('go on with the statements that they have prepared, on primary and replica, and always find every row', async () => {
    await writer.query('insert into read.busy select id, 0 from generate_series(1, 100) as id');
    let isOver = false;
    const failures: unknown[] = [];
    let reads = 0;
    const read = async (connection: Connection): Promise<void> => {
      const client = await connected(connection);
      const statement = {
        name: 'busy',
        text: 'select count(*)::int as rows, min(round) as round from read.busy where id > $1',
        values: [0],
      };
      for (let seen = 0; !isOver; reads += 1) {
        const [row] = await client.query(statement).then(
          ({ rows }) => rows,
          (error) => [{ error }],
        );
        if (row.rows !== 100 || row.round < seen) failures.push(row);
        seen = row.round;
      }
    };
    const write = async (): Promise<void> => {
      const client = await connected(database.connections.writer);
      for (; !isOver; )
        await client
          .query({ name: 'write', text: 'update read.busy set round = round where id = $1', values: [7] })
          .catch((error) => failures.push(error));
    };
    const [replica] = database.connections.replicas;
    await eventually(async () => {
      const client = await connected(replica ?? {});
      expect((await client.query('select from read.busy')).rowCount).toBe(100);
    });
    const all = [database.connections.reader, database.connections.reader, replica ?? {}, replica ?? {}].map(read);
    all.push(write());
    for (let round = 1; round <= 30; round += 1) {
      await asWriter('begin', 'read.busy');
      await writer.query('insert into rebuild.busy select id, $1 from generate_series(1, 100) as id', [round]);
      await asWriter('index', 'read.busy');
      await eventually(() => asWriter('finish', 'read.busy').then(() => {}));
    }
    await eventually(() => expect(reads).toBeGreaterThan(300));
    isOver = true;
    await Promise.all(all);
    expect(failures).toEqual([]);
  });

  it('are not held up for longer than a moment by a swap that waits for a long read', async () => {
    const long = await connected(database.connections.reader);
    await long.query('begin; select from read.busy');
    await asWriter('begin', 'read.busy');
    await asWriter('index', 'read.busy');
    const refused = asWriter('finish', 'read.busy').catch(({ code }) => code);
    // It stands behind the swap, which gives up.
    const other = await connected(database.connections.reader);
    await other.query('select from read.busy');
    expect(await refused).toBe('55P03');
    await long.query('commit');
    await asWriter('finish', 'read.busy');
  });
});
