import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { QueryService as Log } from '../../../gen/audit/v1/query_service_pb.js';
import { CommandService } from '../../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../../gen/users/v1/query_service_pb.js';
import { eventually } from '../../support/eventually.ts';
import { FOREVER } from '../../support/patience.ts';
import { somebody } from '../../support/people.ts';
import { type Service, startService } from '../../support/service.ts';
import { startTraceReceiver, type TraceReceiver } from '../../support/trace-receiver.ts';
import { startTracedClient, type TracedClient } from '../../support/traced-client.ts';
import { problemsOfCreateUser, problemsOfListUsers } from '../../support/traces.ts';

const MAIN = join(import.meta.dirname, '../../../src/main.ts');

/** How many lines of the log say that. */
const linesWith = (service: Service, text: string): number => service.log().split(text).length - 1;

describe('a service with a collector', () => {
  let collector: TraceReceiver;
  let service: Service;
  let traced: TracedClient;
  beforeAll(async () => {
    collector = await startTraceReceiver();
    const variables = { OTEL_BSP_SCHEDULE_DELAY: '20', OTEL_RESOURCE_ATTRIBUTES: 'service.instance.id=pod-7,team=accounts' };
    service = await startService({ env: { WORKERS: '2', OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, ...variables } });
    traced = await startTracedClient(service.grpcAddress, collector);
  });
  afterAll(async () => {
    await traced.close();
    await service.stop();
    await collector[Symbol.asyncDispose]();
  });

  /** The trace that the client's call of that rpc began, once nothing is wrong with it. */
  async function traceWithout(problems: (spans: ReturnType<TraceReceiver['spans']>) => string[], name: string): Promise<void> {
    const first = () => collector.spans().find((span) => span.parentId === undefined && span.name === name);
    await eventually(() => expect(first()).toBeDefined());
    await collector.trace(first()?.traceId ?? '', (spans) => expect(problems(spans)).toEqual([]));
  }

  it('has one trace of a CreateUser, from the client to the COMMIT', async () => {
    await traced.client(CommandService).createUser(somebody());
    await traceWithout(problemsOfCreateUser, 'users.v1.CommandService/CreateUser');
  });

  it('has one trace of a ListUsers, from the client to the replica', async () => {
    await traced.client(QueryService, await service.adminToken()).listUsers({});
    await traceWithout(problemsOfListUsers, 'users.v1.QueryService/ListUsers');
  });

  it('names the trace in its answers and errors, over both doors', async () => {
    const grpc = traced.client(CommandService);
    const named: (string | null)[] = [];
    const onHeader = (header: Headers): unknown => named.push(header.get('traceparent'));
    await grpc.createUser(somebody(), { onHeader });
    await grpc.createUser({}).catch(({ metadata }: { metadata: Headers }) => onHeader(metadata));
    const post = (body: unknown): Promise<Response> =>
      fetch(`http://${service.httpAddress}/users.v1.CommandService/CreateUser`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    onHeader((await post(somebody())).headers);
    onHeader((await post({})).headers);
    for (const traceparent of named) {
      const [, traceId = '', spanId] = traceparent?.split('-') ?? [];
      await collector.trace(traceId, (spans) => expect(spans.find(({ kind }) => kind === 'server')?.spanId).toBe(spanId));
    }
    expect(named.length).toBe(4);
  });

  it('has one trace of a stream, which ends when its reader leaves', async () => {
    const leave = new AbortController();
    const log = traced.client(Log, await service.adminToken());
    const reading = (async () => {
      for await (const { event } of log.watchCommands({}, { signal: leave.signal })) if (event.case === 'command') leave.abort();
    })();
    const name = 'audit.v1.QueryService/WatchCommands';
    const seen = () => collector.spans().filter((span) => span.name === name);
    const reader = await Promise.race([reading.catch((error: unknown) => error), callUntil(() => leave.signal.aborted)]);
    expect(reader).toBeDefined();
    await eventually(() =>
      expect(
        seen()
          .map(({ kind }) => kind)
          .sort(),
      ).toEqual(['client', 'server']),
    );
    for (const span of seen()) expect(span.attributes['rpc.status_code']).toBe('CANCELLED');
    const [call, client] = ['server', 'client'].map((kind) => seen().find((span) => span.kind === kind));
    expect(call?.parentId).toBe(client?.spanId);
    expect(call?.attributes).toMatchObject({ 'cqrs.outcome': 'timed_out', 'cqrs.served_by': 'replica-1' });
    expect(call?.attributes['cqrs.stream.messages']).toBeGreaterThan(0);
  });

  /** Commands, until there is no need of more. */
  async function callUntil(isEnough: () => boolean): Promise<unknown> {
    while (!isEnough()) await traced.client(CommandService).createUser(somebody());
    return await new Promise(() => {});
  }

  it('has one trace of a subcommand that calls it', async () => {
    const env = {
      ...process.env,
      NODE_OPTIONS: '',
      GRPC_ADDRESS: service.grpcAddress,
      DATA_DIR: service.dataDir,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    };
    await promisify(execFile)(process.execPath, [MAIN, 'audit', 'list', '--json'], { env });
    const name = 'audit.v1.QueryService/ListCommands';
    const mine = () => collector.spans().find((span) => span.service === 'bicameral-cli' && span.name === name);
    await eventually(() => expect(mine()).toMatchObject({ kind: 'client', parentId: undefined }));
    await collector.trace(mine()?.traceId ?? '', (spans) => {
      const call = spans.find(({ kind }) => kind === 'server');
      expect(call).toMatchObject({ service: 'bicameral', name, parentId: mine()?.spanId });
    });
  });

  it('has an instance for each worker', async () => {
    await eventually(async () => {
      const other = await startTracedCall(service.grpcAddress);
      await other();
      const instances = new Set(
        collector
          .spans()
          .filter(({ service: name }) => name === 'bicameral')
          .map(({ attributes }) => (attributes.resource as Record<string, string>)['service.instance.id']),
      );
      expect([...instances].sort()).toEqual(['pod-7/1', 'pod-7/2']);
    });
    const [span] = collector.spans().filter(({ service: name }) => name === 'bicameral');
    expect(span?.attributes.resource).toMatchObject({ 'service.version': '0.1.0', team: 'accounts' });
  });
});

/** A call on a connection of its own. */
async function startTracedCall(address: string): Promise<() => Promise<void>> {
  const { createClient } = await import('@connectrpc/connect');
  const { createGrpcTransport, Http2SessionManager } = await import('@connectrpc/connect-node');
  const sessionManager = new Http2SessionManager(`http://${address}`);
  const transport = createGrpcTransport({ baseUrl: `http://${address}`, sessionManager });
  return async () => {
    await createClient(CommandService, transport)
      .logIn({ email: 'nobody@example.org', password: 'x' })
      .catch(() => undefined);
    sessionManager.abort();
  };
}

it('a service that starts before its collector loses nothing that its queue holds, and says so once', async () => {
  const { port } = await closedPort();
  const endpoint = `http://127.0.0.1:${port}`;
  const variables = { OTEL_BSP_SCHEDULE_DELAY: '20', OTEL_EXPORTER_OTLP_TIMEOUT: '500' };
  await using service = await startService({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, ...variables } });
  const call = async (): Promise<void> => (await startTracedCall(service.grpcAddress))();
  for (let calls = 0; calls < 30; calls += 1) await call();
  await eventually(() => expect(linesWith(service, 'traces cannot be exported')).toBe(1));
  for (let calls = 0; calls < 30; calls += 1) await call();

  await using collector = await startTraceReceiver({ port });
  const calls = (): number => collector.spans().filter(({ kind }) => kind === 'server').length;
  await eventually(() => expect(calls()).toBe(60));
  await eventually(() => expect(linesWith(service, 'traces are exported again')).toBe(1));
  expect(linesWith(service, 'traces cannot be exported')).toBe(1);
  expect(await service.stop()).toBe(0);
});

it.each([
  ['is away', undefined],
  ['never answers', 0],
])('a service whose collector %s ends in order', async (_, answer) => {
  await using collector = await startTraceReceiver({ answer: answer ?? 200 });
  if (answer === undefined) await collector[Symbol.asyncDispose]();
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, OTEL_EXPORTER_OTLP_TIMEOUT: String(FOREVER) };
  await using service = await startService({ env });
  await (await startTracedCall(service.grpcAddress))();
  expect(await service.stop()).toBe(0);
  expect(linesWith(service, 'the last traces were lost')).toBe(1);
  expect(service.log()).toContain('"msg":"stopped"');
});

/** A port that nobody listens at. */
async function closedPort(): Promise<{ port: number }> {
  const receiver = await startTraceReceiver();
  await receiver[Symbol.asyncDispose]();
  return receiver;
}
