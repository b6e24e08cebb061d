import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Migration } from '@mikro-orm/migrations';
import pg from 'pg';
import { application } from '../../../src/app.ts';
import { MigrationError, migrate } from '../../../src/kernel/database/migrate.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';

const PENDING = '20991231000000-nothing';

class Nothing extends Migration {
  override up(): void {
    this.addSql('select 1');
  }
}

const modules = [...application.modules, { name: 'pending', migrations: [{ name: PENDING, class: Nothing }] }];

let stack: AsyncDisposableStack;
let database: TestDatabase;
beforeEach(async () => {
  stack = new AsyncDisposableStack();
  database = await createTestDatabase();
  stack.defer(database.drop);
});
afterEach(() => stack.disposeAsync());

/** A transaction of somebody else's. */
async function transaction(first: string): Promise<pg.Client> {
  const client = new pg.Client({ ...database.connections.writer });
  client.on('error', () => {});
  await client.connect();
  stack.defer(() => client.end());
  await client.query('begin');
  await client.query(first);
  return client;
}

describe('a migration', () => {
  it('lets calls pass while it waits for a transaction that goes on using a table', async () => {
    const backup = await transaction('select from users."user"');
    const steps: string[] = [];
    const migrated = migrate(database.connections.owner, modules, { onProgress: (step) => steps.push(step) });
    await untilSomebodyWaits();
    // It stands behind the migration, which stands behind the backup.
    await database.query('select from users."user"');
    await backup.query('commit');
    expect(await migrated).toEqual([PENDING]);
    expect(steps).toContain('waiting for a transaction that uses the tables');
  });

  it('gives up, with what to do and nothing changed, when that does not end', async () => {
    await transaction('select from cqrs.event');
    const refused = migrate(database.connections.owner, modules, { lockTries: 1 });
    await expect(refused).rejects.toBeInstanceOf(MigrationError);
    await expect(refused).rejects.toThrow(/The schema was not changed.* pg_stat_activity/);
    expect(await database.query('select from cqrs.migration where name = $1', [PENDING])).toEqual([]);
  });

  it('holds nothing that a command in flight still needs', async () => {
    // As a command does: it has read its aggregate, and now writes its event and its record.
    const command = await transaction('select from users."user"');
    const migrated = migrate(database.connections.owner, modules);
    await untilSomebodyWaits();
    for (const table of ['cqrs.idempotency_key', 'cqrs.event', 'cqrs.command_log', 'read.user_directory']) {
      await command.query(`set local lock_timeout = '0'`);
      await command.query(`lock table ${table} in row exclusive mode nowait`);
    }
    await command.query('commit');
    expect(await migrated).toEqual([PENDING]);
  });

  it('holds nothing that a round of sealing still needs', async () => {
    const round = await transaction('select from cqrs.command_seal_batch');
    const migrated = migrate(database.connections.owner, modules);
    await untilSomebodyWaits();
    await round.query('lock table cqrs.command_log in access share mode nowait');
    await round.query('lock table cqrs.command_seal in access share mode nowait');
    await round.query('commit');
    expect(await migrated).toEqual([PENDING]);
  });
});

async function untilSomebodyWaits(): Promise<void> {
  for (;;) {
    const waiting = await database.query(`select from pg_locks where not granted and locktype = 'relation'
      and database = (select oid from pg_database where datname = current_database())`);
    if (waiting.length > 0) return;
  }
}
