import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { until } from '../../embedded-postgres/cluster-harness.ts';
import { createTestDatabase } from '../../support/database.ts';
import { asAdmin, signUp } from '../../support/people.ts';
import { type StallingProxy, startStallingProxy } from '../../support/stalling-proxy.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';

/** Longer than it takes by far; what counts is that it ends at all. */
const PATIENCE = 60_000;

let stack: AsyncDisposableStack;
let proxy: StallingProxy;
let app: TestApp;
let userId: string;
beforeEach(async () => {
  stack = new AsyncDisposableStack();
  const database = await createTestDatabase();
  const { owner, writer, reader } = database.connections;
  proxy = stack.use(await startStallingProxy(writer));
  const connections = { owner, writer: proxy.through(writer), reader: proxy.through(reader), replicas: [] };
  app = await startTestApp({ on: { ...database, connections }, queryCacheBytes: 0 });
  userId = (await signUp(app)).id;
});
afterEach(() => stack.disposeAsync());

/** One command after the other from several callers, and queries; all of what they ended with. */
function startCalls() {
  const stop = new AbortController();
  const commands = { failed: 0, done: 0 };
  const queries = { failed: 0, done: 0 };
  const call = async (counts: typeof commands, send: () => Promise<unknown>): Promise<void> => {
    while (!stop.signal.aborted) {
      await send().then(
        () => {
          counts.done += 1;
        },
        () => {
          counts.failed += 1;
        },
      );
      await sleep(5);
    }
  };
  const read = app.client(QueryService, { roles: ['auditor'] });
  const callers = [
    ...Array.from({ length: 14 }, (_, n) =>
      call(commands, () => asAdmin(app).changeName({ userId, name: `Name ${n}` }, { timeoutMs: 20_000 })),
    ),
    ...Array.from({ length: 4 }, () => call(queries, () => read.getUser({ userId }, { timeoutMs: 20_000 }))),
    ...Array.from({ length: 4 }, () => call(queries, () => read.listUsers({}, { timeoutMs: 20_000 }))),
  ];
  return {
    commands,
    queries,
    end: async () => {
      stop.abort();
      await Promise.all(callers);
    },
  };
}

describe('a network that passes no bytes and closes nothing', () => {
  it('costs the calls that were under way, and no others, when new connections work', async () => {
    const calls = startCalls();
    stack.defer(() => app.stop());
    stack.defer(calls.end);
    await until('calls are done', () => calls.commands.done > 50 && calls.queries.done > 50, PATIENCE);
    proxy.stall();
    const [commands, queries] = [calls.commands.done, calls.queries.done];
    await until('commands are done again', () => calls.commands.done > commands + 50, PATIENCE);
    await until('queries are done again', () => calls.queries.done > queries + 50, PATIENCE);
    await until(
      'the log is sealed again',
      async () => {
        const [open] = await app.database.query(
          `select from cqrs.command_log as record where not exists (select from cqrs.command_seal as seal
             where seal.command_id = record.command_id) and received_at < now() - interval '20 s' limit 1`,
        );
        const [sealed] = await app.database.query(
          `select from cqrs.command_seal_batch where sealed_at > now() - interval '2 s' limit 1`,
        );
        return open === undefined && sealed !== undefined;
      },
      PATIENCE,
    );
    // What the server held for the connections that were given up is ended too.
    await until(
      'no transaction is left open',
      async () => {
        const [left] = await app.database.query(
          `select from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'
             and state_change < now() - interval '10 s' limit 1`,
        );
        return left === undefined;
      },
      PATIENCE,
    );
  });

  it('is told by the readiness, and does not keep the program from stopping, when new connections stall too', async () => {
    const ready = async (): Promise<number> => (await fetch(`http://127.0.0.1:${app.app.httpPort}/readyz`)).status;
    expect(await ready()).toBe(200);
    const calls = startCalls();
    await until('calls are done', () => calls.commands.done > 20 && calls.queries.done > 20, PATIENCE);
    proxy.stall({ all: true });
    await until('it is told', async () => (await ready()) === 503, PATIENCE);
    // Ends: that is the test.
    await Promise.all([app.stop(), calls.end()]);
  });
});
