import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { application } from '../../../src/app.ts';
import { checkSession, DatabaseUnsuitable, NotLetIn } from '../../../src/kernel/database/check-database.ts';
import { withSettings } from '../../../src/kernel/database/connection.ts';
import { DatabaseClient } from '../../../src/kernel/database/database-client.ts';
import { DatabaseNewer, migrate } from '../../../src/kernel/database/migrate.ts';
import { createPool, mostConnections } from '../../../src/kernel/database/pool.ts';
import { until } from '../../embedded-postgres/cluster-harness.ts';
import { clusterForTests } from '../../support/cluster.ts';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { asAdmin, signUp } from '../../support/people.ts';
import { startTestApp } from '../../support/test-app.ts';

let stack: AsyncDisposableStack;
beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

/** A role of this test's own, in no group. */
async function ownRole(database: TestDatabase): Promise<string> {
  const role = `odd_${randomBytes(6).toString('hex')}`;
  await database.query(`create role ${role} login`);
  stack.defer(async () => void (await database.query(`drop role ${role}`)));
  return role;
}

async function testDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  stack.defer(database.drop);
  return database;
}

describe('a database', () => {
  it('of a newer version than the program is refused, with what to do, and left as it is', async () => {
    const database = await testDatabase();
    await database.query(`insert into cqrs.migration (name, executed_at) values ('20991231000000-of-tomorrow', now())`);
    for (const start of [() => migrate(database.connections.owner, application.modules), () => startTestApp({ on: database })]) {
      const refusal = await start().then(String, (error: unknown) => error);
      expect(refusal).toBeInstanceOf(DatabaseNewer);
      expect((refusal as Error).message).toMatch(
        /newer version .* 20991231000000-of-tomorrow\. Start that version or a later one/,
      );
    }
  });

  it.each(['LATIN1', 'SQL_ASCII'])('whose encoding is %s is refused', async (encoding) => {
    const cluster = clusterForTests();
    const name = `odd_${encoding.toLowerCase()}`;
    const admin = createPool(cluster.superuser, { name: 'odd', max: 1, readOnly: false });
    stack.defer(() => admin.close());
    await admin.query(`create database ${name} owner bicameral_owner template template0 encoding '${encoding}' locale 'C'`);
    stack.defer(async () => void (await admin.query(`drop database ${name} with (force)`)));
    const refused = migrate({ ...cluster.owner, database: name }, application.modules);
    await expect(refused).rejects.toBeInstanceOf(DatabaseUnsuitable);
    await expect(refused).rejects.toThrow(`Its encoding is ${encoding}`);
  });

  it('that is a standby is refused as a primary', async () => {
    const [standby] = clusterForTests().replicas;
    const { connections } = await testDatabase();
    await expect(migrate({ ...standby, database: connections.owner.database ?? '' }, application.modules)).rejects.toThrow(
      'It is a standby',
    );
  });

  it('that lets the writer only read is refused, with the setting and the remedy', async () => {
    const database = await testDatabase();
    const { database: name } = database.connections.writer;
    await database.query(`alter role bicameral_writer in database ${name} set default_transaction_read_only = on`);
    const refused = startTestApp({ on: database });
    await expect(refused).rejects.toBeInstanceOf(DatabaseUnsuitable);
    await expect(refused).rejects.toThrow(
      'DATABASE_URL: default_transaction_read_only is on for bicameral_writer, so no command can be stored: `alter role bicameral_writer set default_transaction_read_only = off`',
    );
  });

  it('whose writer is not in the groups is refused, with the remedy', async () => {
    const database = await testDatabase();
    const user = await ownRole(database);
    const writer = { ...database.connections.writer, user };
    const refused = startTestApp({ on: { ...database, connections: { ...database.connections, writer } } });
    await expect(refused).rejects.toBeInstanceOf(DatabaseUnsuitable);
    for (const group of ['bicameral_writer', 'bicameral_reader'])
      await expect(refused).rejects.toThrow(`DATABASE_URL: ${user} is not in ${group}: \`grant ${group} to ${user}\``);
  });

  it('that does not let the writer in is refused, with the variable that names it', async () => {
    const database = await testDatabase();
    const writer = { ...database.connections.writer, user: 'nobody_here' };
    const refused = startTestApp({ on: { ...database, connections: { ...database.connections, writer } } });
    await expect(refused).rejects.toBeInstanceOf(NotLetIn);
    await expect(refused).rejects.toThrow(/does not let nobody_here in \(DATABASE_URL\)/);
  });

  it('whose replica gives the reader no rights is read from the primary, and the log says why', async () => {
    const database = await testDatabase();
    const user = await ownRole(database);
    const [replica = {}] = database.connections.replicas;
    const connections = { ...database.connections, replicas: [{ ...replica, user }] };
    const app = await startTestApp({ on: { ...database, connections } });
    stack.defer(() => app.app.stop());
    const { id: userId } = await signUp(app);
    let servedBy: string | null = null;
    const read = app.client(QueryService, { roles: ['auditor'] });
    await read.getUser({ userId }, { onHeader: (header) => (servedBy = header.get('cqrs-served-by')) });
    expect(servedBy).toBe('primary');
    await until('it is said', () => /"database":"replica-1","err":.*permission denied.*database is unavailable/.test(app.log()));
  });

  it.each([
    ['SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string', /asks for a password/],
    ['unsupported startup parameter: statement_timeout', /pooler/],
    ['unable to verify the first certificate', /sslrootcert/],
    ['no pg_hba.conf entry for host "10.0.0.1", user "u", database "d", no encryption', /asks for TLS/],
    [
      'database "nix" does not exist',
      /^The database nix at db:5432 does not let ada in \(DATABASE_URL\): database "nix" does not exist$/,
    ],
  ])('that says `%s` is told of in words that help', (said, words) => {
    const client = new DatabaseClient({ host: 'db', port: 5432, user: 'ada', database: 'nix' });
    expect(new NotLetIn(client, 'DATABASE_URL', new Error(said)).message).toMatch(words);
  });

  it('with fewer connections than the program opens is used, with a warning', async () => {
    const database = await testDatabase();
    const { database: name } = database.connections.writer;
    await database.query(`alter database ${name} connection limit 25`);
    const app = await startTestApp({ on: database });
    await app.app.stop();
    const most = mostConnections(1, 10);
    expect(app.log()).toContain(`the connection limit of the database is 25, and this program opens up to ${most}`);
  });

  it('with few connections has room for a program that is told to open fewer', async () => {
    const database = await testDatabase();
    const { database: name } = database.connections.writer;
    await database.query(`alter database ${name} connection limit ${mostConnections(1, 3)}`);
    const app = await startTestApp({ on: database, limits: { databaseConnections: 3 } });
    const { metrics } = await app.app.metrics();
    await app.app.stop();
    const limits = metrics.find((metric) => metric.name === 'cqrs_pool_limit')?.values ?? [];
    const ofCalls = limits.filter(({ labels }) => labels.pool === 'commands' || labels.pool === 'queries');
    expect(ofCalls.map(({ value }) => value)).toEqual(ofCalls.map(() => 3));
    expect(ofCalls.length).toBeGreaterThan(0);
    expect(app.log()).not.toContain('the connection limit of the database');
  });

  it('may have any settings for its sessions', async () => {
    const database = await createTestDatabase();
    const { database: name } = database.connections.writer;
    const odd = {
      client_encoding: 'LATIN1',
      datestyle: 'German, DMY',
      intervalstyle: 'iso_8601',
      timezone: 'Asia/Kathmandu',
      bytea_output: 'escape',
      standard_conforming_strings: 'off',
      default_transaction_isolation: 'serializable',
      default_transaction_deferrable: 'on',
      lock_timeout: '1ms',
      statement_timeout: '1ms',
      idle_in_transaction_session_timeout: '1ms',
      search_path: 'nowhere',
      lc_messages: 'C',
      plan_cache_mode: 'force_generic_plan',
      row_security: 'off',
      xmloption: 'document',
      extra_float_digits: '-5',
      escape_string_warning: 'on',
      jit: 'on',
      enable_indexscan: 'off',
    };
    for (const [setting, value] of Object.entries(odd))
      await database.query(`alter database ${name} set ${setting} = '${value}'`);
    const app = await startTestApp({ on: database });
    stack.defer(() => app.stop());
    const user = await signUp(app, { name: 'Zoë \\ Ðorđe Ł 名前' });
    await Promise.all(Array.from({ length: 20 }, (_, n) => asAdmin(app).changeName({ userId: user.id, name: `Ω ${n}` })));
    await asAdmin(app).changeName({ userId: user.id, name: user.name });
    const read = app.client(QueryService, { roles: ['auditor'] });
    const headers = { 'cqrs-consistency': 'strong' };
    const { user: seen } = await read.getUser({ userId: user.id }, { headers });
    expect(seen).toMatchObject({ name: user.name, createdAt: user.createdAt });
    const { users } = await read.listUsers({ search: 'ðorđe' }, { headers });
    expect(users.map(({ id }) => id)).toEqual([user.id]);
  });

  it('behind a pooler that keeps the settings of a session to itself is refused', async () => {
    const database = await testDatabase();
    const { reader } = database.connections;
    // What such a pooler does: the session is opened without what was asked for.
    const bare = new DatabaseClient({ ...reader, options: '-c default_transaction_read_only=off' });
    bare.on('error', () => {});
    await bare.connect();
    stack.defer(() => bare.end());
    await expect(checkSession(bare, { variable: 'DATABASE_URL', readOnly: true })).rejects.toThrow(
      'a pooler must pass on the parameter `options`',
    );
  });

  it('can be migrated from nothing, whatever its sessions are like', async () => {
    const database = await createEmptyDatabase();
    stack.defer(database.drop);
    const { owner } = database.connections;
    await database.query(`alter database ${owner.database} set default_transaction_isolation = 'serializable'`);
    await database.query(`alter database ${owner.database} set standard_conforming_strings = 'off'`);
    await database.query(`alter database ${owner.database} set timezone = 'Pacific/Apia'`);
    const ran = await migrate(withSettings(owner, {}), application.modules);
    expect(ran.length).toBeGreaterThan(5);
    const bounds = await database.query<{ bound: string }>(
      `select pg_get_expr(relpartbound, oid) as bound from pg_class where relname ~ '^command_log_\\d' order by relname limit 1`,
    );
    expect(await migrate(owner, application.modules)).toEqual([]);
    expect(bounds[0]?.bound).toMatch(/00:00:00\+00/);
  });
});
