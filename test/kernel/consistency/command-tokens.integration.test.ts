import { readFile } from 'node:fs/promises';
import type { CallOptions } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { createKeyRing } from '../../../src/kernel/auth/key-ring.ts';
import { isSigningKey, parseKey } from '../../../src/kernel/auth/signing-key.ts';
import { CONSISTENCY_TOKEN_HEADER } from '../../../src/kernel/bus/bus-headers.ts';
import { type ConsistencyToken, createConsistencyTokens } from '../../../src/kernel/consistency/token.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { refusalOf } from '../../support/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { asAdmin, signUp, somebody } from '../../support/people.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';

let app: TestApp;
let second: TestApp;
beforeAll(async () => {
  app = await startTestApp();
  second = await startTestApp({ beside: app });
});
afterAll(async () => {
  await second.stop();
  await app.stop();
});

/** The headers of an answer. */
async function headersOf(call: (options: CallOptions) => Promise<unknown>, headers?: Record<string, string>): Promise<Headers> {
  const { promise, resolve } = Promise.withResolvers<Headers>();
  await call({ ...(headers && { headers }), onHeader: resolve });
  return await promise;
}

async function open(headers: Headers, of = app): Promise<ConsistencyToken> {
  const key = await parseKey(await readFile(of.keyFile, 'utf8'));
  if (!isSigningKey(key)) throw new Error('the file holds a public key');
  const [row] = await of.database.query<{ system: string }>('select system_identifier as system from pg_control_system()');
  return createConsistencyTokens(createKeyRing(key)).open(headers.get(CONSISTENCY_TOKEN_HEADER) ?? '', BigInt(row?.system ?? 0));
}

/** The log's place, in bytes. */
async function bytes(database: TestDatabase, expression: string): Promise<bigint> {
  const [row] = await database.query<{ at: string }>(`select pg_wal_lsn_diff(${expression}, '0/0') as at`);
  return BigInt(row?.at ?? 0);
}

async function newestEvent(id: string): Promise<bigint> {
  const [row] = await app.database.query<{ at: string }>('select max(position) as at from cqrs.event where aggregate_id = $1', [
    id,
  ]);
  return BigInt(row?.at ?? 0);
}

const rename =
  (userId: string, name: string, of = app) =>
  (options: CallOptions) =>
    asAdmin(of).changeName({ userId, name }, options);

describe('the consistency token of a command', () => {
  it('tells of its commit and of its newest event', async () => {
    const before = await bytes(app.database, 'pg_current_wal_insert_lsn()');
    const user = await signUp(app);
    const token = await open(await headersOf(rename(user.id, 'Ada')));
    expect(token.lsn > before).toBe(true);
    expect(token.lsn <= (await bytes(app.database, 'pg_current_wal_flush_lsn()'))).toBe(true);
    expect(token.position).toBe(await newestEvent(user.id));
    expect(token.position > 0n).toBe(true);
    const [here] = await app.database.query<{ timeline: number }>('select timeline_id as timeline from pg_control_checkpoint()');
    expect(token.timeline).toBe(here?.timeline);
  });

  it('is never ahead of a replica that lacks what the command did', async () => {
    const [connection] = app.database.connections.replicas;
    if (!connection) throw new Error('the cluster has no replica');
    const client = new pg.Client(connection);
    await client.connect();
    try {
      const { id } = await signUp(app);
      for (let round = 1; round <= 100; round += 1) {
        const { lsn } = await open(await headersOf(rename(id, `Name ${round}`)));
        await eventually(async () => {
          const { rows } = await client.query(`select pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0') as at`);
          expect(BigInt(rows[0].at) >= lsn).toBe(true);
        });
        const { rows } = await client.query('select name from read.user_directory where id = $1', [id]);
        expect(rows).toEqual([{ name: `Name ${round}` }]);
      }
    } finally {
      await client.end();
    }
  });

  it('tells of no event when the command recorded none', async () => {
    const { id, name } = await signUp(app);
    const token = await open(await headersOf(rename(id, name)));
    expect(token.position).toBe(0n);
    expect(token.lsn > 0n).toBe(true);
  });

  it('is not in the answer of a dry run, nor in a refusal', async () => {
    const { id, email } = await signUp(app);
    const tried = await headersOf(rename(id, 'Tried'), { 'cqrs-dry-run': 'true' });
    expect(tried.has(CONSISTENCY_TOKEN_HEADER)).toBe(false);
    const refused = await app
      .client(CommandService)
      .createUser({ ...somebody(), email })
      .catch((error: unknown) => error);
    expect(await refusalOf(Promise.reject(refused))).toMatchObject({ reason: 'EMAIL_TAKEN' });
    expect((refused as { metadata: Headers }).metadata.has(CONSISTENCY_TOKEN_HEADER)).toBe(false);
  });

  it('is taken by another command, which does nothing with it', async () => {
    const { id } = await signUp(app);
    const token = (await headersOf(rename(id, 'First'))).get(CONSISTENCY_TOKEN_HEADER) ?? '';
    for (const presented of [token, 'no token'])
      await headersOf(rename(id, `With ${presented.length}`), { [CONSISTENCY_TOKEN_HEADER]: presented });
  });
});

describe('the answer that is given again for an idempotency key', () => {
  it('has a token that tells of at least as much as that of the first, from any instance', async () => {
    const { id } = await signUp(app);
    const headers = { 'idempotency-key': `key-${id}` };
    const first = await open(await headersOf(rename(id, 'Once'), headers));
    await headersOf(rename(id, 'Meanwhile'));
    for (const instance of [app, second]) {
      const again = await headersOf(rename(id, 'Once', instance), headers);
      expect(again.get('cqrs-replayed')).toBe('true');
      const token = await open(again);
      expect(token.lsn > first.lsn).toBe(true);
      expect(token).toMatchObject({ position: first.position, timeline: first.timeline });
    }
  });
});

describe('a commit', () => {
  it('stands when the question behind it fails, and the answer goes without a token until it works again', async () => {
    await using database = await ownApp();
    const { app, sql } = database;
    const { id } = await signUp(app);
    expect((await headersOf(rename(id, 'Before', app))).has(CONSISTENCY_TOKEN_HEADER)).toBe(true);
    const once = { 'idempotency-key': 'once' };
    await headersOf(rename(id, 'Once', app), once);
    await sql('revoke execute on function pg_current_wal_flush_lsn() from public');
    for (const name of ['One', 'Two', 'Three']) {
      // Without a key: with one, a commit that was answered as failed would be found again.
      const headers = await headersOf(rename(id, name, app));
      expect(headers.has(CONSISTENCY_TOKEN_HEADER)).toBe(false);
      expect(headers.get('cqrs-command-id')).toMatch(/-7/);
      expect(await sql('select name from users."user"')).toEqual([{ name }]);
    }
    const again = await headersOf(rename(id, 'Once', app), once);
    expect([again.get('cqrs-replayed'), again.get(CONSISTENCY_TOKEN_HEADER)]).toEqual(['true', null]);
    expect(app.log().match(/the database fails tokens of commands/g)).toHaveLength(1);
    await sql('grant execute on function pg_current_wal_flush_lsn() to public');
    expect((await headersOf(rename(id, 'After', app))).has(CONSISTENCY_TOKEN_HEADER)).toBe(true);
    expect(app.log()).toContain('tokens of commands work again');
  });

  it('stands when the session ends behind it', async () => {
    // In the place of the server's own function, to those who look here first.
    await using database = await ownApp(async (sql) => {
      await sql('create schema broken');
      await sql('grant usage on schema broken to public');
      await sql(`create function broken.pg_current_wal_flush_lsn() returns pg_lsn language plpgsql as
        $$ begin perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(60); return '0/0'; end $$`);
      await sql(
        `do $$ begin execute format('alter role bicameral_writer in database %I set search_path = broken, pg_catalog', current_database()); end $$`,
      );
    });
    const { app, sql } = database;
    for (const name of ['One', 'Two']) {
      const user = somebody();
      const headers = await headersOf((options) => app.client(CommandService).createUser({ ...user, name }, options));
      expect(headers.has(CONSISTENCY_TOKEN_HEADER)).toBe(false);
      expect(await sql('select name from users."user" where name = $1', [name])).toEqual([{ name }]);
    }
    const outcomes = await sql(`select outcome from cqrs.command_log`);
    expect(outcomes).toEqual([{ outcome: 'succeeded' }, { outcome: 'succeeded' }]);
  });
});

/** The program on a database of its own, changed before it starts. */
async function ownApp(change: (sql: TestDatabase['query']) => Promise<unknown> = async () => {}) {
  const database = await createTestDatabase();
  await change(database.query);
  const app = await startTestApp({ on: database });
  return { app, sql: database.query, [Symbol.asyncDispose]: app.stop };
}
