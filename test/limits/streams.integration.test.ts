import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { QueryService as AuditQueries, type WatchCommandsResponse } from '#gen/audit/v1/query_service_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { NamedStatementClient } from '../../src/kernel/database/named-statement-client.ts';
import { refusalOf } from '../support/errors.ts';
import { eventually } from '../support/eventually.ts';
import { grpcJsTransport } from '../support/grpc-js-transport.ts';
import { asAdmin, logIn, signUp } from '../support/people.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

/** As many as LIMIT_STREAMS is by default, over so many connections. */
const STREAMS = 1_000;
const CONNECTIONS = 20;

let app: TestApp;
let headers: Record<string, string>;
let transports: (Transport & { close(): void })[];
let stop: AbortController;
beforeAll(async () => {
  app = await startTestApp();
  const auditor = await signUp(app);
  await asAdmin(app).grantRole({ userId: auditor.id, role: 'auditor' });
  headers = { authorization: `Bearer ${await logIn(app, auditor)}` };
  transports = Array.from({ length: CONNECTIONS }, () =>
    grpcJsTransport(`127.0.0.1:${app.app.grpcPort}`, { 'grpc.use_local_subchannel_pool': 1 }),
  );
  stop = new AbortController();
});
afterAll(async () => {
  stop.abort();
  for (const transport of transports) transport.close();
  await app.stop();
});

/** Streams that sent something: each has its line when it is over. */
let begun = 0;
afterEach(async () => {
  stop.abort();
  stop = new AbortController();
  const over = (): number => app.log().match(/"method":"audit.v1.QueryService\/WatchCommands"/g)?.length ?? 0;
  await eventually(() => expect(over()).toBeGreaterThanOrEqual(begun));
});

/**
 * A stream as clients keep it: one that ends because the database was away for a moment, as on a machine that stood still, is opened
 * anew where it was.
 */
async function* watch(index: number, after?: bigint): AsyncGenerator<WatchCommandsResponse> {
  const client = createClient(AuditQueries, transports[index % CONNECTIONS] as Transport);
  for (let afterSequence = after, isFirst = true; ; isFirst = true) {
    try {
      const request = afterSequence === undefined ? {} : { afterSequence };
      for await (const message of client.watchCommands(request, { headers, signal: stop.signal })) {
        if (isFirst) begun += 1;
        isFirst = false;
        afterSequence = message.event.value?.sequence ?? afterSequence;
        yield message;
      }
      return;
    } catch (error) {
      if (ConnectError.from(error).code !== Code.Unavailable) throw error;
    }
  }
}

/** Reads on until the record of a command comes. */
async function untilRecorded(messages: AsyncIterator<WatchCommandsResponse>, userId: string): Promise<void> {
  for (;;) {
    const { value, done } = await messages.next();
    if (done) throw new Error('the stream is over');
    if (value.event.case === 'command' && value.event.value.aggregateId === userId) return;
  }
}

describe('as many streams as an instance takes', () => {
  it('all stay open, are told what comes and cost the database one reader; nobody else is refused', async () => {
    const streams = Array.from({ length: STREAMS }, (_, index) => watch(index));
    // The first message of each says where the log ends.
    await Promise.all(streams.map((messages) => messages.next()));

    const statements: string[] = [];
    NamedStatementClient.listener = (text) => {
      if (text.includes('command_seal')) statements.push(text);
    };
    const user = await signUp(app);
    await Promise.all(streams.map((messages) => untilRecorded(messages, user.id)));
    NamedStatementClient.listener = undefined;
    // The sealer asks too; had each stream asked once, there would be a thousand.
    expect(statements.length).toBeLessThan(200);

    const reader = createClient(QueryService, transports[0] as Transport);
    for (let round = 0; round < 10; round += 1) {
      const reads = Array.from({ length: 40 }, () => reader.getUser({ userId: user.id }, { headers }));
      expect((await Promise.all(reads)).every(({ user: found }) => found?.id === user.id)).toBe(true);
    }

    const refusal = await refusalOf(watch(0).next());
    expect(refusal).toMatchObject({ code: 'ResourceExhausted', reason: 'OVERLOADED' });
  }, 120_000);

  it('begin at the first record, all at once, and all get the whole log', async () => {
    const users: string[] = [];
    for (let n = 0; n < 20; n += 1)
      users.push((await asAdmin(app).changeName({ userId: (await signUp(app)).id, name: `N${n}` })).user?.id ?? '');
    const streams = Array.from({ length: 500 }, (_, index) => watch(index, 0n));
    await Promise.all(
      streams.map(async (messages) => {
        for (const id of users) await untilRecorded(messages, id);
      }),
    );
  }, 120_000);
});
