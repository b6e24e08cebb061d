import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { ErrorInfoSchema, RetryInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import type { Message } from '../../../src/kernel/bus/call.ts';
import { principalKey, traceKey } from '../../../src/kernel/bus/context-keys.ts';
import { CallCanceled, DeadlinePassed } from '../../../src/kernel/bus/errors.ts';
import { ANONYMOUS } from '../../../src/kernel/bus/principal.ts';
import { logging } from '../../../src/kernel/middleware/logging.ts';
import type { LogLevels } from '../../../src/kernel/telemetry/log-levels.ts';
import { CountResponseSchema, QueryService } from '../../gen/conformance/v1/conformance_pb.js';
import { callTo, pass } from './test-call.ts';

function setUp(level = 'info', levels?: LogLevels['calls']) {
  const lines: Record<string, unknown>[] = [];
  const logger = pino(
    { level, base: null, timestamp: false, formatters: { level: (label) => ({ level: label }) } },
    { write: (line: string) => lines.push(JSON.parse(line)) },
  );
  const times = [1000, 1012.3456];
  return { lines, interceptor: logging(logger, { levels, now: () => times.shift() ?? 0 }) };
}

function logIn() {
  const call = callTo(CommandService.method.logIn, { request: { email: 'ada@example.com', password: 'a secret' } });
  call.contextValues.set(principalKey, { ...ANONYMOUS, id: 'ada' });
  call.contextValues.set(traceKey, { traceId: 'trace-1', traceparent: '00-trace-1' });
  return call;
}

describe('logging', () => {
  it('leaves out lines of calls that are less severe than the level of their class', async () => {
    const levels = { command: 'warn', query: 'info', stream: 'info' } as const;
    const { lines, interceptor } = setUp('info', levels);
    await pass(interceptor, logIn());
    await expect(pass(interceptor, logIn(), new ConnectError('taken', Code.AlreadyExists))).rejects.toThrow();
    expect(lines).toEqual([]);
    await expect(pass(interceptor, logIn(), new ConnectError('away', Code.Unavailable))).rejects.toThrow();
    expect(lines).toMatchObject([{ level: 'warn', code: 'UNAVAILABLE' }]);
  });

  it('writes one line for a call', async () => {
    const { lines, interceptor } = setUp();
    await pass(interceptor, logIn());
    expect(lines).toEqual([
      {
        level: 'info',
        method: 'users.v1.CommandService/LogIn',
        code: 'OK',
        duration_ms: 12.346,
        principal: 'ada',
        trace_id: 'trace-1',
        door: 'grpc',
        peer: '192.0.2.1:4711',
        msg: 'call',
      },
    ]);
  });

  it('names the code and the reason of an error, and passes it on', async () => {
    const { lines, interceptor } = setUp();
    const details = [
      { desc: RetryInfoSchema, value: {} },
      { desc: ErrorInfoSchema, value: { reason: 'EMAIL_TAKEN' } },
    ];
    const error = new ConnectError('ada@example.com is taken', Code.AlreadyExists, undefined, details);

    await expect(pass(interceptor, logIn(), error)).rejects.toBe(error);

    expect(lines).toMatchObject([{ level: 'info', code: 'ALREADY_EXISTS', reason: 'EMAIL_TAKEN' }]);
    expect(JSON.stringify(lines)).not.toMatch(/ada@example|secret/);
  });

  it.each([
    ['info', 'CANCELLED', Code.Canceled],
    ['info', 'NOT_FOUND', Code.NotFound],
    ['warn', 'UNAVAILABLE', Code.Unavailable],
    ['warn', 'DEADLINE_EXCEEDED', Code.DeadlineExceeded],
    ['warn', 'RESOURCE_EXHAUSTED', Code.ResourceExhausted],
    ['error', 'INTERNAL', Code.Internal],
    ['error', 'DATA_LOSS', Code.DataLoss],
    ['error', 'UNKNOWN', Code.Unknown],
  ])('writes at level %s for %s', async (level, name, code) => {
    const { lines, interceptor } = setUp();
    await pass(interceptor, logIn(), new ConnectError('', code)).catch(() => undefined);
    expect(lines).toMatchObject([{ level, code: name }]);
  });

  it('calls what is no ConnectError UNKNOWN', async () => {
    const { lines, interceptor } = setUp();
    await pass(interceptor, logIn(), new Error('surprise')).catch(() => undefined);
    expect(lines).toMatchObject([{ level: 'error', code: 'UNKNOWN' }]);
  });

  it('does no work for what is below the level', async () => {
    const { lines, interceptor } = setUp('error');
    const call = logIn();
    let asked = 0;
    call.contextValues.set(traceKey, {
      get traceId() {
        asked++;
        return '';
      },
      traceparent: '',
    });
    await pass(interceptor, call);
    expect(asked).toBe(0);
    await pass(interceptor, call, new ConnectError('', Code.Internal)).catch(() => undefined);
    expect(lines).toMatchObject([{ code: 'INTERNAL' }]);
  });

  it('writes nothing when it is silent', async () => {
    const { lines, interceptor } = setUp('silent');
    await pass(interceptor, logIn(), new ConnectError('', Code.Internal)).catch(() => undefined);
    expect(lines).toEqual([]);
  });
});

describe('logging of a stream', () => {
  async function* counting(upTo: number, error?: Error): AsyncGenerator<Message> {
    for (let value = 1; value <= upTo; value++) yield create(CountResponseSchema, { value });
    if (error) throw error;
  }

  async function open(messages: AsyncIterable<Message>) {
    const { lines, interceptor } = setUp();
    const call = callTo(QueryService.method.count);
    const answer = await pass(interceptor, call, messages);
    const iterator = (answer.message as AsyncIterable<Message>)[Symbol.asyncIterator]();
    return { lines, call, iterator };
  }

  it('writes one line at its end, with the number of messages', async () => {
    const { lines, iterator } = await open(counting(3));
    for (let value = 1; value <= 3; value++) expect((await iterator.next()).value).toMatchObject({ value });
    expect(lines).toEqual([]);

    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    await iterator.next();
    expect(lines).toMatchObject([{ code: 'OK', messages: 3, method: 'conformance.v1.QueryService/Count' }]);
  });

  it('names the error that ends it', async () => {
    const error = new ConnectError('', Code.Aborted);
    const { lines, iterator } = await open(counting(1, error));
    await iterator.next();

    await expect(iterator.next()).rejects.toBe(error);

    expect(lines).toMatchObject([{ code: 'ABORTED', messages: 1 }]);
  });

  it('says that the reader left, even before the first message', async () => {
    const { lines, iterator, call } = await open(counting(3));
    call.cancellation.cancel(new CallCanceled());
    await iterator.return?.();
    expect(lines).toMatchObject([{ code: 'CANCELLED', messages: 0 }]);
  });

  it('says that the deadline passed', async () => {
    const source = counting(3);
    const { lines, iterator, call } = await open(source);
    await iterator.next();
    call.cancellation.cancel(new DeadlinePassed());
    await iterator.return?.();

    expect(lines).toMatchObject([{ code: 'DEADLINE_EXCEEDED', messages: 1 }]);
    expect(await source.next()).toEqual({ done: true, value: undefined });
  });
});
