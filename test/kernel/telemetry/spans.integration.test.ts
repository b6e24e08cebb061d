import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService } from '../../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../../gen/users/v1/query_service_pb.js';
import { DEFAULT_LIMITS } from '../../../src/kernel/config/limits.ts';
import { eventually } from '../../support/eventually.ts';
import { FOREVER } from '../../support/patience.ts';
import { asAdmin, logIn, PASSWORD, signUp, somebody } from '../../support/people.ts';
import { startTracedApp, type TracedApp } from '../../support/traced-app.ts';
import { type SeenSpan, treeOf } from '../../support/traces.ts';

let traced: TracedApp;
beforeAll(async () => {
  traced = await startTracedApp({
    limits: { ...DEFAULT_LIMITS, commandsInFlight: 500, queriesInFlight: 500, databaseWaitMs: FOREVER },
  });
});
afterAll(async () => {
  await traced[Symbol.asyncDispose]();
});

/** Makes a call, and resolves with its trace once its first span has come, which ends last. */
async function traceOf(
  call: (options: { onHeader: (header: Headers) => void }) => Promise<unknown>,
): Promise<readonly SeenSpan[]> {
  let traceparent = '';
  const onHeader = (header: Headers): void => {
    traceparent = header.get('traceparent') ?? '';
  };
  await call({ onHeader }).catch(({ metadata }: { metadata: Headers }) => onHeader(metadata));
  expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  const [, traceId = '', spanId] = traceparent.split('-');
  return await traced.collector.trace(traceId, (spans) => expect(spans.map((span) => span.spanId)).toContain(spanId));
}

/** What does not wait for others has the same spans each time. */
const withoutWaits = (spans: readonly SeenSpan[]): SeenSpan[] => spans.filter(({ name }) => !name.startsWith('wait for'));

/** In any order: spans begin by a clock that counts milliseconds and may be set back between two of them. */
function expectTree(spans: readonly SeenSpan[], lines: readonly string[]): void {
  expect(treeOf(withoutWaits(spans)).toSorted()).toEqual(lines.toSorted());
}

describe('the trace of a call', () => {
  it('has a command, its unit of work and each statement', async () => {
    const spans = await traceOf((options) => traced.app.client(CommandService).createUser(somebody(), options));
    expectTree(spans, [
      'users.v1.CommandService/CreateUser',
      '  unit of work',
      '    hash a password',
      '    BEGIN',
      '    SELECT users.user',
      '    INSERT users.user INSERT cqrs.event INSERT cqrs.command_log INSERT read.user_directory INSERT read.ended_session',
      '    COMMIT',
    ]);
    const [event] = await traced.app.database.query<{ command_id: string; traceparent: string; aggregate_id: string }>(
      'select command_id, traceparent, aggregate_id from cqrs.event order by occurred_at desc limit 1',
    );
    const call = spans.find(({ kind }) => kind === 'server');
    expect(event?.traceparent).toBe(`00-${call?.traceId}-${call?.spanId}-01`);
    expect(call?.attributes).toMatchObject({
      'rpc.system.name': 'connectrpc',
      'rpc.method': 'users.v1.CommandService/CreateUser',
      'rpc.status_code': 'OK',
      'cqrs.door': 'in-process',
      'cqrs.command_id': event?.command_id,
      'cqrs.attempt': 1,
      'cqrs.outcome': 'succeeded',
      'cqrs.aggregate.type': 'users.v1.User',
      'cqrs.aggregate.id': event?.aggregate_id,
      'cqrs.aggregate.version': 1,
    });
  });

  it('has a query, the database that was chosen and the statement there', async () => {
    const spans = await traceOf((options) => traced.app.client(QueryService, { roles: ['auditor'] }).listUsers({}, options));
    expectTree(spans, ['users.v1.QueryService/ListUsers', '  read replica-1', '    SELECT read.user_directory']);
    const statement = spans.find(({ kind }) => kind === 'client');
    expect(statement?.attributes).toMatchObject({
      'db.system.name': 'postgresql',
      'db.query.summary': 'SELECT read.user_directory',
      'db.query.text': expect.stringContaining('limit $1'),
      'db.client.connection.pool.name': 'bicameral look-ups replica-1',
    });
    expect(spans.find(({ kind }) => kind === 'server')?.attributes).toMatchObject({ 'cqrs.served_by': 'replica-1' });
  });

  it('shows a replica that has not what is asked for, and then the primary', async () => {
    const userId = '01900000-0000-7000-8000-000000000000';
    const spans = await traceOf((options) =>
      traced.app.client(QueryService, { roles: ['auditor'] }).getUser({ userId }, options),
    );
    expectTree(spans, [
      'users.v1.QueryService/GetUser',
      '  read replica-1',
      '    SELECT read.user_directory',
      '  read primary',
      '    SELECT read.user_directory',
    ]);
    const call = spans.find(({ kind }) => kind === 'server');
    expect(call?.attributes).toMatchObject({
      'rpc.status_code': 'NOT_FOUND',
      'cqrs.outcome': 'rejected',
      'cqrs.reason': 'USER_NOT_FOUND',
      'cqrs.served_by': 'primary',
    });
    expect(spans.filter(({ failed }) => failed)).toEqual([]);
  });

  it('says on a command that is answered again that it was', async () => {
    const user = await signUp(traced.app);
    const headers = { 'idempotency-key': user.id };
    const change = { userId: user.id, name: 'Ada' };
    const first = await traceOf((options) => asAdmin(traced.app).changeName(change, { headers, ...options }));
    const again = await traceOf((options) => asAdmin(traced.app).changeName(change, { headers, ...options }));
    const [one, other] = [first, again].map((spans) => spans.find(({ kind }) => kind === 'server')?.attributes);
    expect(one).not.toHaveProperty('cqrs.replayed');
    expect(other).toMatchObject({
      'cqrs.replayed': true,
      'cqrs.outcome': 'replayed',
      'cqrs.command_id': one?.['cqrs.command_id'],
    });
  });

  it('shows that a call waited for another one with the same key', async () => {
    const user = await signUp(traced.app);
    const headers = { 'idempotency-key': `twice-${user.id}` };
    const change = { userId: user.id, name: 'Ada' };
    const twice = await Promise.all(
      [1, 2].map(() => traceOf((options) => asAdmin(traced.app).changeName(change, { headers, ...options }))),
    );
    const waits = twice.map((spans) => spans.filter(({ name }) => name === 'wait for the idempotency key').length);
    expect(waits.sort()).toEqual([0, 1]);
  });

  it('is not that of the sealing of its record, which has its own', async () => {
    const spans = await traceOf((options) => traced.app.client(CommandService).createUser(somebody(), options));
    expect(spans.map(({ name }) => name)).not.toContain('seal the log');
    await eventually(() => {
      const round = traced.collector.spans().find(({ name }) => name === 'seal the log');
      expect(round).toMatchObject({ parentId: undefined, kind: 'internal' });
      expect(round?.attributes['cqrs.seal.records']).toBeGreaterThan(0);
      expect(traced.collector.spans().filter(({ parentId }) => parentId === round?.spanId).length).toBeGreaterThan(0);
    });
  });

  it('has a unit of work for each try, and says by which SQLSTATE one was lost', async () => {
    const { id: userId } = await signUp(traced.app);
    const names = Array.from({ length: 12 }, (_, index) => `Ada ${index}`);
    const traces = await Promise.all(
      names.map((name) => traceOf((options) => asAdmin(traced.app).changeName({ userId, name }, options))),
    );
    const tries = traces.map((spans) => spans.filter(({ name }) => name === 'unit of work'));
    for (const [index, spans] of traces.entries()) {
      const call = spans.find(({ kind }) => kind === 'server');
      expect(call?.attributes).toMatchObject({ 'cqrs.attempt': tries[index]?.length, 'cqrs.outcome': 'succeeded' });
    }
    const lost = tries.flat().filter(({ failed }) => failed);
    expect(lost.length).toBeGreaterThan(0);
    for (const attempt of lost) {
      expect(attempt.attributes['error.type']).toBe('CONFLICT');
      const own = traces.flat().filter(({ parentId, failed }) => parentId === attempt.spanId && failed);
      expect(own).toEqual([
        expect.objectContaining({
          kind: 'client',
          attributes: expect.objectContaining({ 'db.response.status_code': '40001', 'error.type': '40001' }),
        }),
      ]);
    }
  });

  it('says what nobody planned, and is named by its lines in the log', async () => {
    const { database, log } = traced.app;
    const reader = traced.app.client(QueryService, { roles: ['auditor'] });
    const before = log().length;
    await database.query('alter table read.user_directory rename to gone');
    const spans = await traceOf((options) => reader.listUsers({}, { headers: { 'cqrs-consistency': 'strong' }, ...options }));
    await database.query('alter table read.gone rename to user_directory');
    const lines = log()
      .slice(before)
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, string>);
    const unexpected = lines.find(({ msg }) => msg === 'unexpected error');
    const line = lines.find(({ msg }) => msg === 'call');
    const call = spans.find(({ kind }) => kind === 'server');
    for (const one of [unexpected, line]) expect(one).toMatchObject({ trace_id: call?.traceId, span_id: call?.spanId });
    expect(call).toMatchObject({ failed: true, attributes: { 'rpc.status_code': 'INTERNAL', 'error.type': 'INTERNAL' } });
    expect(spans.filter(({ failed }) => failed).map(({ name }) => name)).toEqual(
      expect.arrayContaining(['SELECT read.user_directory', 'read primary', 'users.v1.QueryService/ListUsers']),
    );
  });

  it('of a stream ends with the stream', async () => {
    const leave = new AbortController();
    const { QueryService: Log } = await import('../../../gen/audit/v1/query_service_pb.js');
    let traceId = '';
    const onHeader = (header: Headers): void => {
      traceId = header.get('traceparent')?.slice(3, 35) ?? '';
    };
    const messages = traced.app.client(Log, { roles: ['auditor'] }).watchCommands({}, { onHeader, signal: leave.signal });
    let seen = 0;
    const reading = (async () => {
      for await (const { event } of messages) if (event.case === 'command') seen += 1;
    })().catch((error: unknown) => error);
    for (let user = 1; user <= 3; user += 1) {
      await signUp(traced.app);
      await eventually(() => expect(seen).toBeGreaterThanOrEqual(user));
    }
    expect(traced.collector.spans().filter((span) => span.traceId === traceId && span.kind === 'server')).toEqual([]);
    leave.abort();
    await reading;
    const spans = await traced.collector.trace(traceId, (found) => expect(found.map(({ kind }) => kind)).toContain('server'));
    const [call] = spans.filter(({ kind }) => kind === 'server');
    expect(call?.attributes).toMatchObject({ 'rpc.status_code': 'CANCELLED', 'cqrs.served_by': 'replica-1' });
    expect(call?.attributes['cqrs.stream.messages']).toBeGreaterThanOrEqual(3);
    // Where it begins. From there on the log is read once for all who follow it, in the name of none.
    expect(spans.filter(({ kind }) => kind === 'client').length).toBe(1);
  });
});

describe('200 calls at once', () => {
  it('have each statement under the call that sent it', async () => {
    const { app, collector } = traced;
    const reader = app.client(QueryService, { roles: ['auditor'] });
    const users = await Promise.all(Array.from({ length: 8 }, () => signUp(app)));
    const tokens = await Promise.all(users.map((user) => logIn(app, user)));
    let count = 0;
    const next = (): { user: (typeof users)[number]; token: string; number: number } => {
      count += 1;
      const at = count % users.length;
      return { user: users[at] as never, token: tokens[at] ?? '', number: count };
    };
    type Options = { onHeader: (header: Headers) => void };
    const kinds: Record<string, (options: Options) => Promise<unknown>> = {
      // What is asked for strongly is read, and not answered from memory.
      GetUser: (options) => reader.getUser({ userId: next().user.id }, { ...options, headers: { 'cqrs-consistency': 'strong' } }),
      ListUsers: (options) => reader.listUsers({ pageSize: 3 }, options),
      FindUserByEmail: (options) => reader.findUserByEmail({ email: next().user.email }, options),
      CreateUser: (options) => app.client(CommandService).createUser(somebody(), options),
      // Counts a guess before and after, by statements of their own.
      LogIn: (options) => app.client(CommandService).logIn({ email: somebody().email, password: PASSWORD }, options),
      // Looks the key up.
      ChangeName: (options) =>
        asAdmin(app).changeName(
          { userId: '01900000-0000-7000-8000-000000000000', name: 'Nobody' },
          { ...options, headers: { 'idempotency-key': `key-${next().number}` } },
        ),
    };
    /** What one call sends. Its record can be stored together with those of others, in a trace of its own that names them. */
    const statements = (spans: readonly SeenSpan[], isQuery: boolean): string[] => {
      const ids = new Set(spans.map(({ spanId }) => spanId));
      const isNamed = collector.spans().some(({ links }) => links.some(({ spanId }) => ids.has(spanId)));
      const own = spans
        .filter(({ attributes }) => attributes['db.system.name'] !== undefined)
        .map(({ name }) => name.replace(' INSERT cqrs.personal_owner', ''));
      const all = [...own, ...(isNamed ? ['INSERT cqrs.command_log'] : [])].sort();
      // A query asks the primary the same when the replica does not have the user yet.
      return isQuery ? [...new Set(all)] : all;
    };
    const alone: Record<string, string[]> = {};
    const isQuery = (kind: string): boolean => /^(Get|List|Find)/.test(kind);
    for (const [kind, call] of Object.entries(kinds)) alone[kind] = statements(await traceOf(call), isQuery(kind));

    // Side by side, and not one kind after the other.
    const rounds = Array.from({ length: 47 }, (_, round) =>
      Object.entries(kinds).filter(([kind]) => isQuery(kind) || round < 20),
    );
    const calls = rounds.flat();
    expect(calls.length).toBeGreaterThanOrEqual(200);
    const traces = await Promise.all(calls.map(async ([kind, call]) => ({ kind, spans: await traceOf(call) })));

    for (const { kind, spans } of traces) {
      expect({ kind, statements: statements(spans, isQuery(kind)) }).toEqual({ kind, statements: alone[kind] });
      const known = new Set(spans.map(({ spanId }) => spanId));
      expect(spans.filter(({ parentId }) => parentId === undefined || !known.has(parentId)).length).toBe(1);
    }
    // They had to wait for one another's connections.
    expect(traces.flatMap(({ spans }) => spans).filter(({ name }) => name === 'wait for a connection').length).toBeGreaterThan(
      20,
    );
  });
});
