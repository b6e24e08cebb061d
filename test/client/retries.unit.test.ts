import { createServer as createHttp1 } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Code, ConnectError, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { createConnectTransport as createFetchTransport } from '@connectrpc/connect-web';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { errorInfo, idempotencyKeys, retries } from '../../src/client/index.ts';
import { refusal, scriptedUsers, unavailable } from './scripted-users.ts';

const atOnce = (): Interceptor => retries({ random: () => 0 });
const codeOf = (call: Promise<unknown>): Promise<Code | undefined> =>
  call.then(
    () => undefined,
    (error) => ConnectError.from(error).code,
  );

/** Is UNAVAILABLE for so many requests. */
const away =
  (times: number) =>
  (count: number): void => {
    if (count <= times) throw unavailable();
  };

describe('retries', () => {
  it('sends a query again until it is answered', async () => {
    const { queries, asked } = scriptedUsers([atOnce()], away(3));
    await queries.getUser({});
    expect(asked).toHaveLength(4);
  });

  it('makes four tries at most, and then throws the error of the service', async () => {
    const { queries, asked } = scriptedUsers([atOnce()], away(4));
    const error = await queries.getUser({}).catch((refused) => refused);
    expect(errorInfo(error)?.reason).toBe('DATABASE_UNAVAILABLE');
    expect(asked).toHaveLength(4);
  });

  it('sends a command again only when it has a key', async () => {
    const without = scriptedUsers([atOnce()], away(1));
    expect(await codeOf(without.commands.changeName({}))).toBe(Code.Unavailable);
    expect(without.asked).toHaveLength(1);

    const withKeys = scriptedUsers([idempotencyKeys(), atOnce()], away(1));
    expect(await codeOf(withKeys.commands.changeName({}))).toBeUndefined();
    expect(withKeys.asked).toHaveLength(2);
  });

  it('never sends a command again that takes no key', async () => {
    const { commands, asked } = scriptedUsers([idempotencyKeys(), atOnce()], away(1));
    expect(await codeOf(commands.logIn({}))).toBe(Code.Unavailable);
    expect(asked).toHaveLength(1);
  });

  it.each([
    [Code.InvalidArgument, 'INVALID_REQUEST'],
    [Code.Aborted, 'VERSION_MISMATCH'],
    [Code.Internal, 'INTERNAL'],
    [Code.Canceled, 'CALL_CANCELED'],
    [Code.ResourceExhausted, 'MESSAGE_TOO_LARGE'],
  ])('takes %i %s for an answer', async (code, reason) => {
    const { queries, asked } = scriptedUsers([atOnce()], () => {
      throw refusal(code, { reason });
    });
    expect(await codeOf(queries.getUser({}))).toBe(code);
    expect(asked).toHaveLength(1);
  });

  it('ends while most calls fail, and begins again when they do not', async () => {
    let isAway = true;
    const { queries, asked } = scriptedUsers([atOnce()], () => {
      if (isAway) throw unavailable();
    });
    for (let call = 0; call < 100; call += 1) await codeOf(queries.getUser({}));
    const before = asked.length;
    expect(before).toBeLessThan(150);
    await codeOf(queries.getUser({}));
    expect(asked).toHaveLength(before + 1);

    isAway = false;
    for (let call = 0; call < 600; call += 1) await queries.getUser({});
    isAway = true;
    const later = asked.length;
    await codeOf(queries.getUser({}));
    expect(asked).toHaveLength(later + 4);
  });
});

describe('the pause before a call is sent again', () => {
  afterEach(() => {
    jest.useRealTimers();
  });
  /** What the promise does before any time passes. */
  const settle = async (): Promise<void> => jest.advanceTimersByTimeAsync(0);

  it('doubles from at most 0.2 seconds, with jitter', async () => {
    jest.useFakeTimers();
    const { queries, asked } = scriptedUsers([retries({ random: () => 0.5 })], away(3));
    const call = queries.getUser({});
    await settle();
    for (const [index, pause] of [100, 200, 400].entries()) {
      await jest.advanceTimersByTimeAsync(pause - 1);
      expect(asked).toHaveLength(index + 1);
      await jest.advanceTimersByTimeAsync(1);
      expect(asked).toHaveLength(index + 2);
    }
    await call;
  });

  it('is what the service asks for, at least', async () => {
    jest.useFakeTimers();
    const { queries, asked } = scriptedUsers([atOnce()], (count) => {
      if (count === 1) throw refusal(Code.ResourceExhausted, { reason: 'OVERLOADED', retryMs: 1500 });
    });
    const call = queries.getUser({});
    await settle();
    await jest.advanceTimersByTimeAsync(1499);
    expect(asked).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1);
    await call;
    expect(asked).toHaveLength(2);
  });

  it('is not made when it were longer than the caller wants to wait', async () => {
    const { queries, asked } = scriptedUsers([atOnce()], () => {
      throw refusal(Code.ResourceExhausted, { reason: 'RATE_LIMITED', retryMs: 60_000 });
    });
    expect(await codeOf(queries.getUser({}))).toBe(Code.ResourceExhausted);
    expect(asked).toHaveLength(1);
  });

  it('is not made when the deadline comes first: the caller gets the error of the service', async () => {
    const { queries, asked } = scriptedUsers([atOnce()], () => {
      throw refusal(Code.Unavailable, { reason: 'SHUTTING_DOWN', retryMs: 1000 });
    });
    expect(await codeOf(queries.getUser({}, { timeoutMs: 900 }))).toBe(Code.Unavailable);
    expect(asked).toHaveLength(1);
  });

  it('leaves the next try the rest of the time alone', async () => {
    jest.useFakeTimers();
    const { queries, asked } = scriptedUsers([atOnce()], (count) => {
      if (count === 1) throw refusal(Code.Unavailable, { reason: 'SHUTTING_DOWN', retryMs: 1000 });
    });
    const call = queries.getUser({}, { timeoutMs: 5000 });
    await settle();
    await jest.advanceTimersByTimeAsync(1000);
    await call;
    expect(asked.map((header) => header.get('connect-timeout-ms'))).toEqual(['5000', '4000']);
  });

  it('ends when the caller cancels', async () => {
    jest.useFakeTimers();
    const { queries, asked } = scriptedUsers([retries({ longestWaitMs: 100_000 })], () => {
      throw refusal(Code.Unavailable, { reason: 'SHUTTING_DOWN', retryMs: 60_000 });
    });
    const caller = new AbortController();
    const call = codeOf(queries.getUser({}, { signal: caller.signal }));
    await settle();
    caller.abort();
    expect(await call).toBe(Code.Canceled);
    expect(asked).toHaveLength(1);
    expect(jest.getTimerCount()).toBe(0);
  });
});

type MakeTransport = (baseUrl: string, interceptors: Interceptor[]) => Transport;

describe.each<[string, '1.1' | '2', MakeTransport]>([
  [
    'Connect over HTTP/1.1',
    '1.1',
    (baseUrl, interceptors) => createConnectTransport({ baseUrl, httpVersion: '1.1', interceptors }),
  ],
  [
    'gRPC-Web over HTTP/1.1',
    '1.1',
    (baseUrl, interceptors) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1', interceptors }),
  ],
  ['Connect over fetch', '1.1', (baseUrl, interceptors) => createFetchTransport({ baseUrl, interceptors })],
  ['Connect over HTTP/2', '2', (baseUrl, interceptors) => createConnectTransport({ baseUrl, httpVersion: '2', interceptors })],
  ['gRPC', '2', (baseUrl, interceptors) => createGrpcTransport({ baseUrl, interceptors })],
])('a connection that breaks, %s', (_, version, makeTransport) => {
  it('is one more reason to send a query again', async () => {
    let count = 0;
    const answer = connectNodeAdapter({ routes: ({ service }) => service(QueryService, { getUser: () => ({}) }) });
    const sockets = new Set<{ destroy(): void }>();
    const server =
      version === '2'
        ? createHttp2((request, response) => (++count < 3 ? request.stream.session?.destroy() : answer(request, response)))
        : createHttp1((request, response) => (++count < 3 ? request.socket.destroy() : answer(request, response)));
    server.on('connection', (socket) => sockets.add(socket));
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    try {
      const transport = makeTransport(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, [atOnce()]);
      await createClient(QueryService, transport).getUser({});
      expect(count).toBe(3);
    } finally {
      server.close();
      for (const socket of sockets) socket.destroy();
    }
  });
});
