import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { pino } from 'pino';
import { watchMark } from '../../../src/kernel/database/mark-holder.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { eventually } from '../../support/eventually.ts';

const stack = new AsyncDisposableStack();
let database: TestDatabase;
let reader: pg.Pool;
beforeAll(async () => {
  database = await createTestDatabase();
  stack.defer(database.drop);
  reader = new pg.Pool({ ...database.connections.reader, max: 1 });
  reader.on('error', () => {});
  stack.defer(() => reader.end());
});
afterAll(() => stack.disposeAsync());

describe('the watch over the mark', () => {
  it('names the process, the database and the role of a transaction that stays open, also to a role that may see little', async () => {
    await using clients = new AsyncDisposableStack();
    const client = new pg.Client(database.connections.owner);
    await client.connect();
    clients.defer(() => client.end());
    await client.query('begin');
    const { rows } = await client.query(
      'select pg_current_xact_id()::text as transaction, pg_backend_pid() as pid, current_database() as database, session_user as user',
    );

    const mark = watchMark({ pool: reader, logger: pino({ level: 'silent' }), everyMs: 5 });
    clients.defer(mark.stop);
    // Another test may have a transaction that is older, for a while.
    await eventually(() => expect(mark.holder()).toMatchObject({ ...rows[0], prepared: undefined }));
    const { seconds = 0 } = mark.holder() ?? {};
    await eventually(() => expect(mark.holder()?.seconds).toBeGreaterThan(seconds));

    await client.query('rollback');
    await eventually(() => expect(mark.holder()?.transaction).not.toBe(rows[0].transaction));
  });
});
