import { create, type DescMessage, type DescService } from '@bufbuild/protobuf';
import {
  type Client,
  Code,
  ConnectError,
  createClient,
  createContextKey,
  createContextValues,
  decodeBinaryHeader,
  encodeBinaryHeader,
  type Transport,
} from '@connectrpc/connect';
import { createAsyncIterable } from '@connectrpc/connect/protocol';
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from '@connectrpc/connect-node';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  BadRequestSchema,
  ErrorInfoSchema,
  PreconditionFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from '#gen/google/rpc/error_details_pb.js';
import { createConnectDoor } from '../../src/transport/connect/door.ts';
import { createGrpcDoor } from '../../src/transport/grpc/door.ts';
import { inProcessTransport } from '../../src/transport/in-process.ts';
import { CommandService, CountRequestSchema, OpenService, QueryService } from '../gen/conformance/v1/conformance_pb.js';
import { type Conformance, conformanceService } from '../support/conformance-service.ts';
import { eventually } from '../support/eventually.ts';
import { grpcJsTransport } from '../support/grpc-js-transport.ts';

/** A way to call the bus: how to make its transport, once the doors are open. */
interface Subject {
  readonly name: string;
  /** Not in process, where nothing is serialized: limits of size and compression. */
  readonly network: boolean;
  /** A `break` out of the stream of a transport ends the call; Connect's transports need a signal for that. */
  readonly leavesByBreak?: true;
  readonly open: (at: { grpc: number; connect: number; conformance: Conformance }) => {
    transport: Transport;
    close?: () => void;
  };
}

const gzip = { sendCompression: compressionGzip, compressMinBytes: 0 };

function http2(port: number): { baseUrl: string; httpVersion: '2'; sessionManager: Http2SessionManager } {
  const baseUrl = `http://127.0.0.1:${port}`;
  return { baseUrl, httpVersion: '2', sessionManager: new Http2SessionManager(baseUrl) };
}
function http1(port: number): { baseUrl: string; httpVersion: '1.1' } {
  return { baseUrl: `http://127.0.0.1:${port}`, httpVersion: '1.1' };
}
function overHttp2(port: number, make: (options: ReturnType<typeof http2>) => Transport) {
  const options = http2(port);
  return { transport: make(options), close: () => options.sessionManager.abort() };
}

const SUBJECTS: readonly Subject[] = [
  {
    name: 'gRPC door, grpc-js client',
    network: true,
    leavesByBreak: true,
    open: ({ grpc }) => {
      const transport = grpcJsTransport(`127.0.0.1:${grpc}`);
      return { transport, close: () => transport.close() };
    },
  },
  {
    name: 'gRPC door, grpc-js client, gzip',
    network: true,
    open: ({ grpc }) => {
      const transport = grpcJsTransport(`127.0.0.1:${grpc}`, { 'grpc.default_compression_algorithm': 2 });
      return { transport, close: () => transport.close() };
    },
  },
  { name: 'gRPC door, Connect client', network: true, open: ({ grpc }) => overHttp2(grpc, createGrpcTransport) },
  {
    name: 'gRPC door, Connect client, gzip',
    network: true,
    open: ({ grpc }) => overHttp2(grpc, (options) => createGrpcTransport({ ...options, ...gzip })),
  },
  {
    name: 'Connect door, Connect JSON, HTTP/1.1',
    network: true,
    open: ({ connect }) => ({ transport: createConnectTransport({ ...http1(connect), useBinaryFormat: false }) }),
  },
  {
    name: 'Connect door, Connect JSON, HTTP/2, gzip',
    network: true,
    open: ({ connect }) =>
      overHttp2(connect, (options) => createConnectTransport({ ...options, ...gzip, useBinaryFormat: false })),
  },
  {
    name: 'Connect door, Connect binary, HTTP/1.1, gzip',
    network: true,
    open: ({ connect }) => ({ transport: createConnectTransport({ ...http1(connect), ...gzip, useBinaryFormat: true }) }),
  },
  {
    name: 'Connect door, Connect binary, HTTP/2',
    network: true,
    open: ({ connect }) => overHttp2(connect, (options) => createConnectTransport({ ...options, useBinaryFormat: true })),
  },
  {
    name: 'Connect door, Connect GET',
    network: true,
    open: ({ connect }) => ({ transport: createConnectTransport({ ...http1(connect), useHttpGet: true }) }),
  },
  {
    name: 'Connect door, gRPC-Web, HTTP/1.1',
    network: true,
    open: ({ connect }) => ({ transport: createGrpcWebTransport(http1(connect)) }),
  },
  {
    name: 'Connect door, gRPC-Web, HTTP/2, gzip',
    network: true,
    open: ({ connect }) => overHttp2(connect, (options) => createGrpcWebTransport({ ...options, ...gzip })),
  },
  { name: 'Connect door, gRPC', network: true, open: ({ connect }) => overHttp2(connect, createGrpcTransport) },
  {
    name: 'in process',
    network: false,
    leavesByBreak: true,
    open: ({ conformance }) => ({ transport: inProcessTransport(conformance.bus) }),
  },
];

const KINDS = [
  ['invalid', Code.InvalidArgument],
  ['unauthenticated', Code.Unauthenticated],
  ['denied', Code.PermissionDenied],
  ['not-found', Code.NotFound],
  ['already-exists', Code.AlreadyExists],
  ['precondition', Code.FailedPrecondition],
  ['conflict', Code.Aborted],
  ['overloaded', Code.ResourceExhausted],
  ['unavailable', Code.Unavailable],
  ['deadline', Code.DeadlineExceeded],
  ['canceled', Code.Canceled],
] as const;

const conformance = conformanceService();
const { bus, unexpected, aborted, reported, calls } = conformance;
const grpcDoor = createGrpcDoor({ bus, unexpected });
const connectDoor = createConnectDoor({ bus, unexpected });
let ports: { grpc: number; connect: number };

beforeAll(async () => {
  ports = { grpc: await grpcDoor.listen('127.0.0.1:0'), connect: await connectDoor.listen('127.0.0.1:0') };
});

afterAll(async () => {
  await Promise.all([grpcDoor.close({ graceMs: 0 }), connectDoor.close({ graceMs: 0 })]);
});

describe.each(SUBJECTS)('$name', ({ network, leavesByBreak, open }) => {
  let opened: ReturnType<Subject['open']>;
  let commands: Client<typeof CommandService>;
  let queries: Client<typeof QueryService>;

  beforeAll(() => {
    opened = open({ ...ports, conformance });
    commands = createClient(CommandService, opened.transport);
    queries = createClient(QueryService, opened.transport);
  });
  afterAll(() => opened.close?.());
  beforeEach(() => {
    for (const list of [aborted, reported, calls]) list.length = 0;
  });

  it('answers a command', async () => {
    const answer = await commands.echo({ text: 'grüße 🍋', payload: Uint8Array.of(0, 255, 1) });
    expect(answer.text).toBe('grüße 🍋');
    expect([...answer.payload]).toEqual([0, 255, 1]);
  });

  it('answers an empty message', async () => {
    expect((await commands.echo({})).text).toBe('');
  });

  it('answers a query', async () => {
    expect((await queries.ask({ text: 'what?' })).text).toBe('what?');
  });

  it('answers a large message', async () => {
    const text = 'x'.repeat(3_000_000);
    expect((await commands.echo({ text })).text).toHaveLength(3_000_000);
  });

  it('answers a stream in order', async () => {
    const values = await Array.fromAsync(queries.count({ upTo: 100 }), ({ value }) => value);
    expect(values).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
  });

  it('answers a stream without messages', async () => {
    expect(await Array.fromAsync(queries.count({ upTo: 0 }))).toEqual([]);
  });

  it('gives the handler the metadata, binary values too', async () => {
    const bytes = Uint8Array.of(1, 2, 250);
    const headers = { 'x-fruit': 'lemon', 'x-raw-bin': encodeBinaryHeader(bytes) };
    const { metadata } = await commands.echo({}, { headers });
    expect(metadata['x-fruit']).toBe('lemon');
    expect(decodeBinaryHeader(metadata['x-raw-bin'] ?? '')).toEqual(bytes);
    expect(Object.keys(metadata).filter((key) => /^(:|grpc-deadline|grpc-unknown)/.test(key))).toEqual([]);
  });

  it('sends headers and trailers, binary values too', async () => {
    const bytes = Uint8Array.of(9, 0, 200);
    let header = new Headers();
    let trailer = new Headers();
    const options = {
      headers: {
        'echo-fruit': 'lemon',
        'trail-fruit': 'lime',
        'echo-raw-bin': encodeBinaryHeader(bytes),
        'trail-raw-bin': encodeBinaryHeader(bytes),
      },
      onHeader: (headers: Headers) => {
        header = headers;
      },
      onTrailer: (headers: Headers) => {
        trailer = headers;
      },
    };
    const read = () =>
      [header, trailer].map((from, index) => {
        const prefix = index === 0 ? 'echo' : 'trail';
        return [from.get(`${prefix}-fruit`), [...decodeBinaryHeader(from.get(`${prefix}-raw-bin`) ?? '')]];
      });
    const expected = [
      ['lemon', [9, 0, 200]],
      ['lime', [9, 0, 200]],
    ];
    await commands.echo({}, options);
    expect(read()).toEqual(expected);

    header = new Headers();
    trailer = new Headers();
    await Array.fromAsync(queries.count({ upTo: 2 }, options));
    expect(read()).toEqual(expected);
  });

  it('tells the handler the deadline', async () => {
    const { timeoutMs } = await commands.echo({}, { timeoutMs: 4000 });
    expect(Number(timeoutMs)).toBeGreaterThan(3000);
    expect(Number(timeoutMs)).toBeLessThanOrEqual(4000);
    expect((await commands.echo({})).timeoutMs).toBe(0n);
  });

  it('keeps a deadline that is further away than a timer reaches', async () => {
    const headers = { 'grpc-timeout': '99999999H', 'connect-timeout-ms': '9999999999' };
    expect((await commands.echo({ text: 'patient', delayMs: 20 }, { headers })).text).toBe('patient');
  });

  it('ends a call at its deadline and tells the handler', async () => {
    const started = performance.now();
    const error = await failure(commands.echo({ delayMs: 5000 }, { timeoutMs: 100 }));
    expect(error.code).toBe(Code.DeadlineExceeded);
    expect(performance.now() - started).toBeLessThan(2000);
    // A caller that hangs up at its deadline may do so a moment before the door's own timer.
    await eventually(() => expect(aborted).toEqual([expect.stringMatching(/DeadlinePassed|CallCanceled/)]));
  });

  it('ends a stream at its deadline and tells the handler', async () => {
    const error = await failure(Array.fromAsync(queries.count({ upTo: 1000, delayMs: 50 }, { timeoutMs: 200 })));
    expect(error.code).toBe(Code.DeadlineExceeded);
    await eventually(() => expect(aborted).toEqual([expect.stringMatching(/DeadlinePassed|CallCanceled/)]));
  });

  it('answers a passed deadline with details when the caller still listens', async () => {
    const options = network ? { headers: { 'grpc-timeout': '100m', 'connect-timeout-ms': '100' } } : { timeoutMs: 100 };
    const unary = await failure(commands.echo({ delayMs: 5000 }, options));
    expect([unary.code, reasonOf(unary)]).toEqual([Code.DeadlineExceeded, 'DEADLINE_PASSED']);
    const stream = await failure(Array.fromAsync(queries.count({ upTo: 1000, delayMs: 50 }, options)));
    expect([stream.code, reasonOf(stream)]).toEqual([Code.DeadlineExceeded, 'DEADLINE_PASSED']);
    await eventually(() => expect(aborted).toEqual(['DeadlinePassed', 'DeadlinePassed']));
  });

  it('tells the handler when the caller cancels', async () => {
    const abort = new AbortController();
    const call = failure(commands.echo({ delayMs: 5000 }, { signal: abort.signal }));
    await eventually(() => expect(calls).toHaveLength(1));
    abort.abort();
    expect((await call).code).toBe(Code.Canceled);
    await eventually(() => expect(aborted).toEqual(['CallCanceled']));
  });

  it('tells the handler of a stream when the caller cancels', async () => {
    const abort = new AbortController();
    const error = await failure(
      (async () => {
        for await (const { value } of queries.count({ upTo: 1000, delayMs: 100 }, { signal: abort.signal })) {
          if (value === 2) abort.abort();
        }
      })(),
    );
    expect(error.code).toBe(Code.Canceled);
    await eventually(() => expect(aborted).toEqual(['CallCanceled']));
  });

  it('does not abort the signal of a call that was answered', async () => {
    await commands.echo({ delayMs: 1 });
    await Array.fromAsync(queries.count({ upTo: 2, delayMs: 1 }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(calls.map((call) => call.cancellation.reason)).toEqual([undefined, undefined]);
  });

  it.each(KINDS)('answers an error of kind %s with its code and details', async (kind, code) => {
    const error = await failure(commands.echo({ failWith: kind }));
    expect(error.code).toBe(code);
    expect(error.rawMessage).toBe(`failed: ${kind}`);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([
      { reason: 'FAILURE', domain: 'conformance.v1', metadata: { flavour: 'sour' } },
    ]);
    const violation = { field: 'text', description: 'must be sweet', reason: 'STRING_SWEET' };
    expect(violationsOf(error)).toEqual(kind === 'invalid' ? [violation] : []);
    const precondition = { type: 'FAILURE', subject: '', description: 'failed: precondition' };
    expect(preconditionsOf(error)).toEqual(kind === 'precondition' ? [precondition] : []);
    expect(resourcesOf(error)).toEqual(kind === 'not-found' || kind === 'already-exists' ? ['fruit lemon'] : []);
    expect(retriesOf(error)).toEqual(kind === 'overloaded' || kind === 'unavailable' ? [[1n, 500_000_000]] : []);
  });

  it('answers a query with an error', async () => {
    const error = await failure(queries.ask({ text: '?', failWith: 'not-found' }));
    expect([error.code, reasonOf(error)]).toEqual([Code.NotFound, 'FAILURE']);
  });

  it('answers an unexpected error with an id and nothing else, and reports it once', async () => {
    const error = await failure(commands.echo({ failWith: 'bug' }));
    expect([error.code, error.rawMessage]).toEqual([Code.Internal, 'internal error']);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([
      { reason: 'INTERNAL', domain: 'cqrs.v1', metadata: { error_id: 'error-1' } },
    ]);
    expect(reported).toHaveLength(1);
    expect(reported[0]).toMatchObject({ errorId: 'error-1', method: 'conformance.v1.CommandService/Echo' });
    expect(String(reported[0]?.error)).toContain('secret');
    if (network) expect(JSON.stringify(error)).not.toContain('secret');
  });

  it('ends a stream with an error after the messages before it', async () => {
    const values: number[] = [];
    const error = await failure(
      (async () => {
        for await (const { value } of queries.count({ upTo: 9, failAfter: 3 })) values.push(value);
      })(),
    );
    expect(values).toEqual([1, 2, 3]);
    expect([error.code, reasonOf(error)]).toEqual([Code.Aborted, 'FAILURE']);
  });

  it('ends a stream with an id when the error is unexpected', async () => {
    const error = await failure(Array.fromAsync(queries.count({ upTo: 9, failAfter: 1, failWith: 'bug' })));
    expect([error.code, error.rawMessage, reasonOf(error)]).toEqual([Code.Internal, 'internal error', 'INTERNAL']);
    expect(reported).toHaveLength(1);
  });

  it('refuses a method that does not exist', async () => {
    const service: DescService = OpenService;
    const client = createClient(service, opened.transport) as Client<typeof OpenService>;
    const error = await failure(client.open({}));
    expect(error.code).toBe(Code.Unimplemented);
  });

  if (leavesByBreak) {
    it('stops the handler when the reader of a stream leaves', async () => {
      conformance.produced = 0;
      // Connect's client has no way to leave a stream; its transport has.
      const { count } = QueryService.method;
      const request = createAsyncIterable([create(CountRequestSchema, { upTo: 10_000, delayMs: 10 })]);
      const { message } = await opened.transport.stream(count, undefined, undefined, undefined, request);
      for await (const { value } of message) if (value === 3) break;
      await new Promise((resolve) => setTimeout(resolve, 200));
      const { produced } = conformance;
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(conformance.produced).toBe(produced);
    });
  }

  if (network) {
    it('refuses a message over the limit and says so', async () => {
      const error = await failure(commands.echo({ text: 'x'.repeat(4 * 1024 * 1024) }));
      expect(error.code).toBe(Code.ResourceExhausted);
      expect(error.rawMessage).toBe('the request message is larger than 4194304 bytes');
      expect(reasonOf(error)).toBe('MESSAGE_TOO_LARGE');
    });
  } else {
    it('passes the context values of its caller on', async () => {
      const key = createContextKey('nobody');
      await commands.echo({}, { contextValues: createContextValues().set(key, 'ada') });
      expect(calls[0]?.contextValues.get(key)).toBe('ada');
    });
  }
});

async function failure(call: Promise<unknown>): Promise<ConnectError> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(outcome instanceof ConnectError)) throw new Error('expected a ConnectError', { cause: outcome });
  return outcome;
}

const details = <T extends DescMessage>(error: ConnectError, schema: T) => error.findDetails(schema);
const reasonOf = (error: ConnectError) => details(error, ErrorInfoSchema)[0]?.reason;
const violationsOf = (error: ConnectError) =>
  details(error, BadRequestSchema)
    .flatMap(({ fieldViolations }) => fieldViolations)
    .map(({ field, description, reason }) => ({ field, description, reason }));
const preconditionsOf = (error: ConnectError) =>
  details(error, PreconditionFailureSchema)
    .flatMap(({ violations }) => violations)
    .map(({ type, subject, description }) => ({ type, subject, description }));
const resourcesOf = (error: ConnectError) =>
  details(error, ResourceInfoSchema).map(({ resourceType, resourceName }) => `${resourceType} ${resourceName}`);
const retriesOf = (error: ConnectError) =>
  details(error, RetryInfoSchema).map(({ retryDelay }) => [retryDelay?.seconds, retryDelay?.nanos]);
