import { afterEach, describe, expect, it } from '@jest/globals';
import { Migration } from '@mikro-orm/migrations';
import pg from 'pg';
import { application } from '../../../src/app.ts';
import { migrate } from '../../../src/kernel/database/migrate.ts';
import type { NamedMigration } from '../../../src/kernel/database/named-migration.ts';
import { type ModuleSchema, schemaOf } from '../../../src/kernel/database/schema.ts';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { schemaText } from '../../support/schema-text.ts';
import { FIRST_MIGRATION_OF_0_1 } from './version-0.1.ts';

const { modules } = application;
const withoutUsers = modules.filter(({ name }) => name !== 'users');

const opened: TestDatabase[] = [];
const keep = (database: TestDatabase): TestDatabase => {
  opened.push(database);
  return database;
};
afterEach(async () => {
  for (const database of opened.splice(0)) await database.drop();
});

const migration = (name: string, ...statements: string[]): NamedMigration => ({
  name,
  class: class extends Migration {
    override up(): void {
      for (const statement of statements) this.addSql(statement);
    }
  },
});

const notes = (...migrations: NamedMigration[]): ModuleSchema => ({ name: 'notes', migrations });
const createNotes = migration(
  '20261201000000-notes',
  'create table notes.note (id uuid primary key, place serial)',
  'create table read.note_list (id uuid primary key)',
);

describe('the schema', () => {
  it('is what it was when this snapshot was looked at', async () => {
    expect(await schemaText(keep(await createTestDatabase()))).toMatchSnapshot();
  });

  it('is the same where version 0.1 has made the events with the users, and keeps what is in it', async () => {
    const old = keep(await createEmptyDatabase());
    const { owner } = old.connections;
    const client = new pg.Client(owner);
    await client.connect();
    for (const statement of FIRST_MIGRATION_OF_0_1) await client.query(statement);
    await client.query(`insert into users."user" values ('019ab000-0000-7000-8000-000000000001', 'ada@example.org', 'Ada', null, 'active', '{}',
      now(), now(), null, 1, null, 1)`);
    await client.query(`insert into cqrs.event (id, type, payload, aggregate_type, aggregate_id, aggregate_version, command_id, traceparent, occurred_at)
      values (gen_random_uuid(), 'users.v1.UserCreated', '', 'users.v1.User', '019ab000-0000-7000-8000-000000000001', 1, gen_random_uuid(), '', now())`);
    await client.end();

    expect(await migrate(owner, modules)).not.toContain('20261123000000-users');
    expect(await schemaText(old)).toBe(await schemaText(keep(await createTestDatabase())));
    expect(await old.query('select email, type from users."user" join cqrs.event on aggregate_id = "user".id')).toEqual([
      { email: 'ada@example.org', type: 'users.v1.UserCreated' },
    ]);
  });

  it('is the same when the users come to a service that began without them', async () => {
    const database = keep(await createEmptyDatabase());
    const { owner } = database.connections;
    await migrate(owner, withoutUsers);
    expect(await database.query(`select from pg_namespace where nspname = 'users'`)).toEqual([]);
    await migrate(owner, modules);
    expect(await schemaText(database)).toBe(await schemaText(keep(await createTestDatabase())));
  });
});

describe('a new module', () => {
  it('lists its migrations in itself, and grants nothing by hand', async () => {
    const database = keep(await createTestDatabase());
    expect(await migrate(database.connections.owner, [...modules, notes(createNotes)])).toEqual(['20261201000000-notes']);
    const writer = new pg.Client(database.connections.writer);
    await writer.connect();
    await writer.query('insert into notes.note (id) values (gen_random_uuid())');
    await writer.query('update notes.note set place = 2');
    await writer.query('insert into read.note_list select id from notes.note');
    await writer.query('delete from notes.note');
    await writer.end();
    const reader = new pg.Client(database.connections.reader);
    await reader.connect();
    expect((await reader.query('select from read.note_list')).rowCount).toBe(1);
    await expect(reader.query('select from notes.note')).rejects.toMatchObject({ code: '42501' });
    await reader.end();
  });

  it('has its tables locked while a migration runs, so that no command holds one', async () => {
    const database = keep(await createTestDatabase());
    const { owner } = database.connections;
    await migrate(owner, [...modules, notes(createNotes)]);
    const command = new pg.Client(database.connections.writer);
    await command.connect();
    await command.query('begin; select from notes.note');
    const another = migration('20261202000000-notes-more', 'create table notes.more (id uuid primary key)');
    await expect(migrate(owner, [...modules, notes(createNotes, another)], { lockTries: 1 })).rejects.toThrow(
      'The schema was not changed',
    );
    await command.end();
    expect(await migrate(owner, [...modules, notes(createNotes, another)])).toEqual(['20261202000000-notes-more']);
  });

  it('cannot have a migration that comes before one that a database has run', async () => {
    const database = keep(await createTestDatabase());
    const { owner } = database.connections;
    await migrate(owner, [...modules, notes(createNotes)]);
    const late = migration('20261130230000-late', 'create table notes.late (id uuid primary key)');
    await expect(migrate(owner, [...modules, notes(late, createNotes)])).rejects.toThrow(
      '20261130230000-late of notes has not been run, and 20261201000000-notes behind it has: give it a time later than that',
    );
  });

  it('is missed by a program without it', async () => {
    const database = keep(await createTestDatabase());
    await migrate(database.connections.owner, [...modules, notes(createNotes)]);
    await expect(migrate(database.connections.owner, modules)).rejects.toThrow('has a module that this one lacks');
  });
});

describe('migrations', () => {
  it.each([
    [
      'a name of two',
      [notes(createNotes), { name: 'more', migrations: [createNotes] }],
      '20261201000000-notes is in the lists of notes and of more',
    ],
    ['a name without a time', [notes(migration('create-notes'))], 'create-notes of notes has to be a time and words'],
    [
      'a list in another order than they run',
      [notes(createNotes, migration('20261130000000-before'))],
      '20261130000000-before of notes is listed behind 20261201000000-notes, and runs before it',
    ],
  ])('with %s are refused, by name', (_, others, problem) => {
    expect(() => schemaOf([...modules, ...others])).toThrow(problem);
  });
});
