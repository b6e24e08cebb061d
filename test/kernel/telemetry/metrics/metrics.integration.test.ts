import { request as httpRequest } from 'node:http';
import { text } from 'node:stream/consumers';
import { Code, createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { QueryService as AuditQueries } from '#gen/audit/v1/query_service_pb.js';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { eventually } from '../../../support/eventually.ts';
import { grpcJsTransport } from '../../../support/grpc-js-transport.ts';
import { asAdmin, logIn, PASSWORD, signUp, somebody } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

const page = (accept = 'text/plain'): Promise<string> =>
  fetch(`http://127.0.0.1:${app.app.metricsPort}/metrics`, { headers: { accept } }).then((response) => response.text());

/** The value of a series by its whole name. */
async function value(series: string): Promise<number | undefined> {
  const line = (await page()).split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

const command = (method: string, code = 'OK'): string => `{method="users.v1.CommandService/${method}",code="${code}"}`;

describe('the metrics', () => {
  it('have a series at 0 for every rpc from the start', async () => {
    const text = await page();
    for (const { method } of app.app.bus.values()) {
      const kind = method.parent.name === 'CommandService' ? 'command' : 'query';
      const labels = `{method="${method.parent.typeName}/${method.name}",code="OK"}`;
      expect(text).toContain(`cqrs_${kind}_total${labels} 0\n`);
      expect(text).toContain(`cqrs_${kind}_duration_seconds_count${labels} 0\n`);
    }
  });

  it('count commands and queries by method and code, whatever door they come by', async () => {
    const person = somebody();
    await app.client(CommandService).createUser(person);
    await expect(app.client(CommandService).createUser(person)).rejects.toThrow();
    const http = `http://127.0.0.1:${app.app.httpPort}/users.v1.CommandService/CreateUser`;
    const headers = { 'content-type': 'application/json' };
    await fetch(http, { method: 'POST', headers, body: JSON.stringify({ ...person, email: 'nobody' }) });
    const transport = grpcJsTransport(`127.0.0.1:${app.app.grpcPort}`);
    await createClient(CommandService, transport).createUser(somebody());
    transport.close();

    expect(await value(`cqrs_command_total${command('CreateUser')}`)).toBe(2);
    expect(await value(`cqrs_command_total${command('CreateUser', 'ALREADY_EXISTS')}`)).toBe(1);
    expect(await value(`cqrs_command_total${command('CreateUser', 'INVALID_ARGUMENT')}`)).toBe(1);
    expect(await value(`cqrs_command_duration_seconds_count${command('CreateUser')}`)).toBe(2);
    expect(await value('cqrs_error_total{kind="command",reason="EMAIL_TAKEN"}')).toBe(1);
    const rpc = (system: string, code: string): string =>
      `rpc_server_call_duration_seconds_count{rpc_system_name="${system}",rpc_method="users.v1.CommandService/CreateUser",rpc_status_code="${code}",error_type=""}`;
    expect(await value(rpc('grpc', 'OK'))).toBe(1);
    expect(await value(rpc('connectrpc', 'INVALID_ARGUMENT'))).toBe(1);
    expect(await value(rpc('in_process', 'OK'))).toBe(1);
  });

  it('tell retries, answers given again, rehearsals and throttled guesses', async () => {
    const user = await signUp(app);
    const admin = asAdmin(app);
    const renames = Array.from({ length: 20 }, (_, n) => admin.changeName({ userId: user.id, name: `N${n}` }));
    await Promise.all(renames);
    const method = (name: string): string => `{method="users.v1.CommandService/${name}"}`;
    expect(await value(`cqrs_command_retries_total${method('ChangeName')}`)).toBeGreaterThan(0);

    const headers = { 'idempotency-key': 'once' };
    for (let n = 0; n < 3; n += 1) await admin.changeName({ userId: user.id, name: 'Once' }, { headers });
    expect(await value(`cqrs_command_replayed_total${method('ChangeName')}`)).toBe(2);

    await admin.changeName({ userId: user.id, name: 'Rehearsed' }, { headers: { 'cqrs-dry-run': 'true' } });
    expect(await value(`cqrs_command_dry_run_total${method('ChangeName')}`)).toBe(1);

    for (let n = 0; n < 8; n += 1)
      await app
        .client(CommandService)
        .logIn({ email: user.email, password: 'wrong' })
        .catch(() => {});
    expect(await value(`cqrs_guesses_throttled_total${method('LogIn')}`)).toBeGreaterThan(0);
    expect(await value('cqrs_error_total{kind="command",reason="GUESSES_THROTTLED"}')).toBeGreaterThan(0);
  });

  it('tell who answered queries, and that the log is sealed', async () => {
    const user = await signUp(app);
    const token = await logIn(app, user, PASSWORD);
    await app.client(QueryService, { token }).getUser({ userId: user.id });
    // Five of a query whose answers are not kept: what is answered from memory was read by nobody.
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => app.client(QueryService, { token }).getUserHistory({ userId: user.id })),
    );
    expect(answers).toHaveLength(5);
    const served = await Promise.all(
      ['primary', 'replica-1'].map((name) => value(`cqrs_query_served_total{database="${name}"}`)),
    );
    expect((served[0] ?? 0) + (served[1] ?? 0)).toBe(6);
    expect(await value('cqrs_database_up{database="primary"}')).toBe(1);
    expect(await value('cqrs_database_up{database="replica-1"}')).toBe(1);
    expect(await value('cqrs_replica_lag_bytes{database="replica-1"}')).toBeGreaterThanOrEqual(0);
    await eventually(async () => expect(await value('cqrs_sealed_records_total')).toBeGreaterThan(5));
    expect(await value('cqrs_pool_limit{pool="commands"}')).toBe(10);
    expect(await value('cqrs_pool_wait_seconds_count{pool="commands"}')).toBeGreaterThan(0);
    const lookUps = (await page()).match(
      /^cqrs_statement_duration_seconds_count\{pool="look-ups [\w-]+",statement="SELECT read.user_directory"\} \d+$/gm,
    );
    expect(lookUps?.length).toBeGreaterThan(0);
    const written = (await page()).match(
      /^cqrs_statement_duration_seconds_count\{pool="commands",statement="INSERT [^"]+"\} \d+$/gm,
    );
    expect(written?.length).toBeGreaterThan(0);
    expect(await value('cqrs_log_unsealed_records')).toBeGreaterThanOrEqual(0);
  });

  it('count statements that failed by what PostgreSQL said', async () => {
    const person = somebody();
    const blocker = new pg.Client(app.database.connections.owner);
    await blocker.connect();
    await blocker.query('begin; lock table users."user" in share mode');
    // Both pass the look whether the address is free, wait to write, and the index decides.
    const signUps = [1, 2].map(() =>
      app
        .client(CommandService)
        .createUser(person)
        .catch(() => undefined),
    );
    const waiting = `select from pg_locks where relation = 'users."user"'::regclass and not granted`;
    await eventually(async () => expect(await app.database.query(waiting)).toHaveLength(2));
    await blocker.end();
    expect((await Promise.all(signUps)).filter((answer) => answer !== undefined)).toHaveLength(1);
    expect(await value('cqrs_statement_errors_total{pool="commands",sqlstate="23505"}')).toBeGreaterThan(0);
  });

  it('measure a stream by its first message, and count it when it is over', async () => {
    const stop = new AbortController();
    const auditor = app.client(AuditQueries, { roles: ['auditor'] });
    const stream = auditor.watchCommands({}, { signal: stop.signal })[Symbol.asyncIterator]();
    await stream.next();
    expect(await value('cqrs_in_flight{kind="stream"}')).toBe(1);
    const series = '{method="audit.v1.QueryService/WatchCommands",code="CANCELLED"}';
    expect(await value(`cqrs_query_total${series}`)).toBeUndefined();
    const next = stream.next();
    stop.abort();
    await next.catch(() => {});
    await eventually(async () => expect(await value(`cqrs_query_total${series}`)).toBe(1));
    expect(await value(`cqrs_query_duration_seconds_count${series}`)).toBe(1);
    await eventually(async () => expect(await value('cqrs_in_flight{kind="stream"}')).toBe(0));
  });

  it('count a stream whose reader neither reads on nor returns when its caller aborts it', async () => {
    const stop = new AbortController();
    const auditor = app.client(AuditQueries, { roles: ['auditor'] });
    const series = 'cqrs_query_total{method="audit.v1.QueryService/WatchCommands",code="CANCELLED"}';
    const before = (await value(series)) ?? 0;
    const streams = [1, 2].map(() => auditor.watchCommands({}, { signal: stop.signal })[Symbol.asyncIterator]());
    for (const stream of streams) await stream.next();
    expect(await value('cqrs_in_flight{kind="stream"}')).toBe(2);
    stop.abort();
    await eventually(async () => expect(await value('cqrs_in_flight{kind="stream"}')).toBe(0));
    expect(await value(series)).toBe(before + 2);
    // Who does read on is told.
    await expect(streams[0]?.next()).rejects.toMatchObject({ code: Code.Canceled });
  });

  it('keep the slowest calls with their traces, for programs of ours', async () => {
    const { slowest } = JSON.parse(await page('application/json'));
    expect(slowest.length).toBeGreaterThan(0);
    expect(slowest[0]).toMatchObject({
      method: expect.any(String),
      code: expect.any(String),
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
  });

  it('are for this machine: a page elsewhere does not read them under its own name', async () => {
    const status = await new Promise((resolve, reject) => {
      const options = { port: app.app.metricsPort, path: '/metrics', headers: { host: 'evil.example' } };
      httpRequest({ host: '127.0.0.1', ...options }, async (response) => {
        await text(response);
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(403);
  });
});
