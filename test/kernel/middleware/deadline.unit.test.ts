import { create, type DescMethod } from '@bufbuild/protobuf';
import { describe, expect, it, jest } from '@jest/globals';
import { Answer } from '../../../src/kernel/bus/answer.ts';
import { Call, type Message } from '../../../src/kernel/bus/call.ts';
import { CallCanceled, DeadlinePassed } from '../../../src/kernel/bus/errors.ts';
import type { Middleware } from '../../../src/kernel/bus/middleware.ts';
import { deadline } from '../../../src/kernel/middleware/deadline.ts';
import { CommandService, QueryService } from '../../gen/conformance/v1/conformance_pb.js';
import { eventually } from '../../support/eventually.ts';
import { around } from './test-call.ts';

const { echo } = CommandService.method;
const { count } = QueryService.method;

function callWithin(method: DescMethod, timeoutMs?: number): Call {
  return new Call({
    method,
    request: create(method.input),
    origin: {
      door: 'grpc',
      peer: '',
      deadline: timeoutMs === undefined ? undefined : Date.now() + timeoutMs,
      requestMethod: 'POST',
    },
    header: () => new Headers(),
  });
}

/** Sends the call through the middleware to a handler. */
async function through(middleware: Middleware, call: Call, handler: () => Promise<Message | AsyncIterable<Message>>) {
  return await around(middleware, call.method, async () => new Answer(call.method, await handler()))(call);
}

async function stream(middleware: Middleware, call: Call, messages: AsyncIterable<Message>): Promise<AsyncIterable<Message>> {
  return (await through(middleware, call, async () => messages)).message as AsyncIterable<Message>;
}

const response = (): Message => create(echo.output);
const never = (): Promise<never> => new Promise(() => undefined);
/** Timers that keep the process alive. */
const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

async function* forever(everyMs: number, onLeave: () => void): AsyncGenerator<Message> {
  try {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, everyMs));
      yield create(count.output);
    }
  } finally {
    onLeave();
  }
}

describe('deadline', () => {
  it('lets an answer in time pass and leaves no timer', async () => {
    const before = timers();
    await through(deadline(), callWithin(echo, 60_000), async () => response());
    expect(timers()).toBe(before);
  });

  it('lets an error in time pass and leaves no timer', async () => {
    const before = timers();
    const failing = through(deadline(), callWithin(echo), () => Promise.reject(new Error('own')));
    await expect(failing).rejects.toThrow('own');
    expect(timers()).toBe(before);
  });

  it('refuses a call whose deadline has passed, without calling the handler', async () => {
    const handler = jest.fn(async () => response());
    const call = callWithin(echo, -1);
    await expect(through(deadline(), call, handler)).rejects.toThrow(DeadlinePassed);
    expect(handler).not.toHaveBeenCalled();
    expect(call.signal.aborted).toBe(true);
  });

  it('refuses a call that was canceled before', async () => {
    const call = callWithin(echo);
    call.cancellation.cancel(new CallCanceled());
    await expect(through(deadline(), call, async () => response())).rejects.toThrow(CallCanceled);
  });

  it('answers at the deadline, whatever the handler does, and aborts the signal', async () => {
    const call = callWithin(echo, 30);
    await expect(through(deadline(), call, never)).rejects.toThrow(DeadlinePassed);
    expect(call.signal.reason).toBeInstanceOf(DeadlinePassed);
  });

  it('caps a unary call that has no deadline', async () => {
    await expect(through(deadline({ maxUnaryMs: 30 }), callWithin(echo), never)).rejects.toThrow(DeadlinePassed);
  });

  it('caps a unary call with a later deadline', async () => {
    await expect(through(deadline({ maxUnaryMs: 30 }), callWithin(echo, 60_000), never)).rejects.toThrow(DeadlinePassed);
  });

  it('answers at once when the caller cancels', async () => {
    const before = timers();
    const call = callWithin(echo);
    const answer = through(deadline(), call, never);
    call.cancellation.cancel(new CallCanceled());
    await expect(answer).rejects.toThrow(CallCanceled);
    expect(timers()).toBe(before);
  });

  it('does not cap a stream that has no deadline', async () => {
    const messages = await stream(
      deadline({ maxUnaryMs: 20 }),
      callWithin(count),
      forever(10, () => undefined),
    );
    let seen = 0;
    for await (const _ of messages) if (++seen === 6) break;
    expect(seen).toBe(6);
  });

  it('ends a stream at its deadline, even while the next message is awaited', async () => {
    async function* silent(): AsyncGenerator<Message> {
      yield await never();
    }
    const messages = await stream(deadline(), callWithin(count, 30), silent());
    await expect(Array.fromAsync(messages)).rejects.toThrow(DeadlinePassed);
  });

  it('has the handler of an ended stream clean up', async () => {
    const onLeave = jest.fn();
    const messages = await stream(deadline(), callWithin(count, 50), forever(10, onLeave));
    await expect(Array.fromAsync(messages)).rejects.toThrow(DeadlinePassed);
    await eventually(() => expect(onLeave).toHaveBeenCalledTimes(1));
  });

  it('ends a stream whose caller cancels', async () => {
    const call = callWithin(count);
    const messages = await stream(
      deadline(),
      call,
      forever(10, () => undefined),
    );
    const reading = Array.fromAsync(messages);
    call.cancellation.cancel(new CallCanceled());
    await expect(reading).rejects.toThrow(CallCanceled);
  });

  it('leaves no timer when a stream ends, fails or is left', async () => {
    const before = timers();
    async function* one(): AsyncGenerator<Message> {
      yield create(count.output);
    }
    async function* broken(): AsyncGenerator<Message> {
      yield create(count.output);
      throw new Error('own');
    }
    await Array.fromAsync(await stream(deadline(), callWithin(count, 60_000), one()));
    expect(timers()).toBe(before);
    await expect(Array.fromAsync(await stream(deadline(), callWithin(count, 60_000), broken()))).rejects.toThrow('own');
    expect(timers()).toBe(before);
    for await (const _ of await stream(deadline(), callWithin(count, 60_000), one())) break;
    expect(timers()).toBe(before);
  });
});
