import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { QueryService as AuditQueries } from '../../../gen/audit/v1/query_service_pb.js';
import { CommandService } from '../../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../../gen/users/v1/query_service_pb.js';
import { application } from '../../../src/app.ts';
import { Call } from '../../../src/kernel/bus/call.ts';
import { principalKey } from '../../../src/kernel/bus/context-keys.ts';
import { middleware } from '../../../src/kernel/bus/middleware.ts';
import { STORE_RECORDS } from '../../../src/kernel/command-log/store-records.ts';
import { NamedStatementClient } from '../../../src/kernel/database/named-statement-client.ts';
import { refusalOf } from '../../support/errors.ts';
import { logIn, signUp } from '../../support/people.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

const UNKNOWN = '01930000-0000-7000-8000-000000000000';

/** The statements that commands and their records send. The instance's own watching and sealing goes on beside it. */
async function statementsOf(act: () => Promise<unknown>): Promise<string[]> {
  const texts: string[] = [];
  NamedStatementClient.listener = (text, purpose) => {
    if (/^bicameral (commands|records)$/.test(purpose)) texts.push(text);
  };
  await act();
  NamedStatementClient.listener = undefined;
  return texts;
}

/** Each pair is told apart by a call that both would refuse: the outer one has the word. */
describe('the order of the pipeline', () => {
  it('errors stand inside logging: the log has the code and the reason that the caller got', async () => {
    await refusalOf(
      app
        .client(QueryService)
        .getUser({ userId: UNKNOWN }, { headers: { traceparent: `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01` } }),
    );
    const line = app
      .log()
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text))
      .findLast(({ method }) => method === 'users.v1.QueryService/GetUser');
    expect(line).toMatchObject({
      code: 'UNAUTHENTICATED',
      reason: 'TOKEN_MISSING',
      trace_id: 'ab'.repeat(16),
      door: 'in-process',
    });
  });

  it('the deadline comes before authentication', async () => {
    const { method, dispatch } = app.app.bus.get('users.v1.QueryService/GetUser') ?? {};
    if (!method || !dispatch) throw new Error('GetUser is not served');
    const origin = { door: 'in-process', peer: '', deadline: Date.now() - 1, requestMethod: 'POST' } as const;
    const late = new Call({ method, request: create(method.input), origin, header: () => new Headers() });
    expect(await refusalOf(dispatch(late))).toMatchObject({ code: 'DeadlineExceeded', reason: 'DEADLINE_PASSED' });
  });

  it('authentication comes before validation', async () => {
    expect(await refusalOf(app.client(QueryService).getUser({ userId: 'no id' }))).toMatchObject({ reason: 'TOKEN_MISSING' });
  });

  it('validation comes before authorization', async () => {
    const token = await logIn(app, await signUp(app));
    const client = app.client(QueryService, { token });
    expect(await refusalOf(client.getUser({ userId: 'no id' }))).toMatchObject({ reason: 'INVALID_REQUEST' });
    expect(await refusalOf(client.getUser({ userId: UNKNOWN }))).toMatchObject({ reason: 'PERMISSION_MISSING' });
  });

  it('authorization comes before the database: what is refused costs no statement but its record', async () => {
    const client = app.client(CommandService, { roles: ['operator'] });
    const refused = () => refusalOf(client.changeName({ userId: UNKNOWN, name: 'x' }));
    expect(await statementsOf(refused)).toEqual([STORE_RECORDS]);
    const missing = () => refusalOf(app.client(CommandService, { roles: ['admin'] }).changeName({ userId: UNKNOWN, name: 'x' }));
    expect(await statementsOf(missing)).toEqual(['begin', expect.stringMatching(/^select/), 'rollback', STORE_RECORDS]);
  });

  it('retry stands outside the unit of work: each attempt has a transaction of its own', async () => {
    const { id } = await signUp(app);
    const client = app.client(CommandService, { roles: ['admin'] });
    const texts = await statementsOf(() =>
      Promise.all(['a', 'b', 'c', 'd'].map((name) => client.changeName({ userId: id, name }))),
    );
    const count = (text: string): number => texts.filter((sent) => sent === text).length;
    // A COMMIT travels with the statement that may fail, and is a rollback then.
    expect(count('begin')).toBeGreaterThan(4);
    expect(count('begin')).toBe(count('commit') + count('rollback'));
  });

  it('the unit of work stores what the handler did, and nothing of what it refused', async () => {
    const { id } = await signUp(app);
    const client = app.client(CommandService, { roles: ['admin'] });
    await refusalOf(client.changeName({ userId: id, name: 'other', expectedVersion: 9n }));
    expect(await app.database.query('select from cqrs.event where aggregate_id = $1', [id])).toHaveLength(1);
  });
});

describe("an application's own middleware", () => {
  const seen: string[] = [];
  const watched = middleware('watched', () => watch(seen), { after: 'authentication' });
  const closed = middleware('closed', ({ name }) => (name === 'GrantRole' ? refuse : undefined), {
    after: 'authorization',
    needs: [{ name: 'authentication', because: 'a test says so' }],
  });
  let own: TestApp;
  beforeAll(async () => {
    own = await startTestApp({ as: { ...application, middleware: [watched, closed] } });
  });
  afterAll(() => own.stop());

  const watch =
    (log: string[]): Interceptor =>
    (next) =>
    async (request) => {
      const response = await next(request);
      log.push(`${request.method.name} ${request.contextValues.get(principalKey)?.id}`);
      response.header.set('x-watched', 'yes');
      return response.stream ? { ...response, message: each(response.message, log) } : response;
    };
  async function* each<T>(messages: AsyncIterable<T>, log: string[]): AsyncGenerator<T> {
    for await (const message of messages) {
      log.push('a message');
      yield message;
    }
  }
  const refuse: Interceptor = () => async () => {
    throw new ConnectError('roles are granted elsewhere', Code.PermissionDenied);
  };

  it('is passed by unary and streaming rpcs where it says, and only by the rpcs that it is made for', async () => {
    const { id } = await signUp(own);
    let header = new Headers();
    const onHeader = (received: Headers): void => {
      header = received;
    };
    await own.client(QueryService, { roles: ['admin'] }).getUser({ userId: id }, { onHeader });
    expect(header.get('x-watched')).toBe('yes');
    const leave = new AbortController();
    const watching = own
      .client(AuditQueries, { roles: ['auditor'] })
      .watchCommands({ afterSequence: 0n }, { signal: leave.signal });
    await expect(
      (async () => {
        for await (const _ of watching) leave.abort();
      })(),
    ).rejects.toThrow();
    expect(seen).toEqual(expect.arrayContaining(['GetUser tester', 'WatchCommands tester', 'a message']));
    const pipelineOf = (name: string) => own.app.bus.get(name)?.pipeline.join(' > ');
    expect(pipelineOf('users.v1.CommandService/ChangeName')).toContain('authentication > watched > rate limit by principal');
    expect(pipelineOf('users.v1.CommandService/ChangeName')).not.toContain('closed');
    expect(pipelineOf('users.v1.CommandService/GrantRole')).toContain('authorization > closed > idempotency');
  });

  it('refuses by a ConnectError, which goes on record as what it is', async () => {
    const { id } = await signUp(own);
    const refused = await refusalOf(own.client(CommandService, { roles: ['admin'] }).grantRole({ userId: id, role: 'auditor' }));
    expect(refused).toMatchObject({ code: 'PermissionDenied', reason: 'PERMISSION_DENIED' });
    const records = await own.database.query("select outcome, code, reason from cqrs.command_log where method like '%GrantRole'");
    expect(records).toEqual([{ outcome: 'denied', code: 'PERMISSION_DENIED', reason: 'PERMISSION_DENIED' }]);
  });

  it('changes the answer of a command that has committed, whose record stays one', async () => {
    const { id } = await signUp(own);
    await own.client(CommandService, { roles: ['admin'] }).changeName({ userId: id, name: 'Ada' });
    const records = await own.database.query(
      "select outcome from cqrs.command_log where method like '%ChangeName' and aggregate_id = $1",
      [id],
    );
    expect(records).toEqual([{ outcome: 'succeeded' }]);
  });

  it('stops the start where it cannot stand', async () => {
    const misplaced = middleware('misplaced', () => refuse, { after: 'authorisation' });
    const started = startTestApp({ as: { ...application, middleware: [misplaced] }, beside: own });
    await expect(started).rejects.toThrow(
      /`misplaced` is to stand beside `authorisation`, which does not exist; there are tracing,/,
    );
  });
});
