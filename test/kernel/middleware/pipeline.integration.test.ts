import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService } from '../../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../../gen/users/v1/query_service_pb.js';
import { Call } from '../../../src/kernel/bus/call.ts';
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
