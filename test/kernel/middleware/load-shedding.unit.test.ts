import { Code } from '@connectrpc/connect';
import { describe, expect, it } from '@jest/globals';
import type { Answer } from '../../../src/kernel/bus/answer.ts';
import type { Message } from '../../../src/kernel/bus/call.ts';
import { CallGauge } from '../../../src/kernel/bus/call-gauge.ts';
import { Overloaded } from '../../../src/kernel/bus/errors.ts';
import type { Middleware } from '../../../src/kernel/bus/middleware.ts';
import { loadShedding } from '../../../src/kernel/middleware/load-shedding.ts';
import { CommandService, QueryService } from '../../gen/conformance/v1/conformance_pb.js';
import { around, callTo, pass } from './test-call.ts';

const { echo } = CommandService.method;
const { count } = QueryService.method;

const gauges = (limit = 1) => ({
  commands: new CallGauge(limit),
  queries: new CallGauge(limit),
  streams: new CallGauge(limit),
});

/** Sends a call to a handler that answers when told to. */
function pending(middleware: Middleware): { answer: () => void; done: Promise<unknown> } {
  const { promise, resolve } = Promise.withResolvers<never>();
  return { answer: () => resolve({} as never), done: around(middleware, echo, () => promise)(callTo(echo)) };
}

describe('loadShedding', () => {
  it('refuses a call beyond the limit at once, without calling anything', async () => {
    const shedding = loadShedding(gauges());
    const first = pending(shedding);
    let called = false;
    const refused = around(shedding, echo, async () => {
      called = true;
      return undefined as never;
    })(callTo(echo));
    await expect(refused).rejects.toMatchObject({ reason: 'OVERLOADED', code: Code.ResourceExhausted });
    expect(called).toBe(false);
    first.answer();
    await first.done;
  });

  it('tells callers that are refused together to come back at different times', async () => {
    const shedding = loadShedding(gauges(0));
    const refusals = await Promise.all(
      Array.from({ length: 50 }, () => pass(shedding, callTo(echo)).catch((error: Overloaded) => error.retryAfterMs)),
    );
    expect(new Set(refusals).size).toBeGreaterThan(10);
    for (const ms of refusals) expect([(ms as number) >= 500, (ms as number) <= 1500]).toEqual([true, true]);
  });

  it('gives the place back after an answer and after a failure', async () => {
    const parts = gauges();
    await pass(loadShedding(parts), callTo(echo));
    await expect(pass(loadShedding(parts), callTo(echo), new Error('broken'))).rejects.toThrow('broken');
    expect(parts.commands.inFlight).toBe(0);
  });

  it('counts a stream to its end, and apart from the calls', async () => {
    const parts = gauges();
    const numbers = async function* (): AsyncGenerator<Message> {
      yield { $typeName: 'conformance.v1.CountResponse' } as Message;
    };
    const answer = (await pass(loadShedding(parts), callTo(count), numbers())) as Answer<AsyncIterable<Message>>;
    await expect(pass(loadShedding(parts), callTo(count), numbers())).rejects.toBeInstanceOf(Overloaded);
    await pass(loadShedding(parts), callTo(echo));

    for await (const _ of answer.message);

    expect(parts.streams.inFlight).toBe(0);
    await pass(loadShedding(parts), callTo(count), numbers());
  });

  it('gives the place of a stream back when its reader leaves', async () => {
    const parts = gauges();
    const endless = async function* (): AsyncGenerator<Message> {
      for (;;) yield { $typeName: 'conformance.v1.CountResponse' } as Message;
    };
    const answer = (await pass(loadShedding(parts), callTo(count), endless())) as Answer<AsyncIterable<Message>>;
    for await (const _ of answer.message) break;
    expect(parts.streams.inFlight).toBe(0);
  });
});
