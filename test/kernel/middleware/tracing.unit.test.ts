import { setImmediate } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { Answer } from '../../../src/kernel/bus/answer.ts';
import { traceKey } from '../../../src/kernel/bus/context-keys.ts';
import { handlerTrace, tracing } from '../../../src/kernel/middleware/tracing.ts';
import { followCalls, traceOfLine } from '../../../src/kernel/telemetry/active-trace.ts';
import { around, callTo, pass } from './test-call.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';

async function traceOf(header: Record<string, string>, interceptor = tracing()) {
  const call = callTo(QueryService.method.getUser, { header });
  await pass(interceptor, call);
  return call.contextValues.get(traceKey);
}

describe('tracing', () => {
  it.each(['00', '01'])('takes the trace of the caller, flags %s included', async (flags) => {
    const traceparent = `00-${traceId}-${parentId}-${flags}`;
    const trace = await traceOf({ traceparent });
    expect(trace?.traceId).toBe(traceId);
    expect(trace?.traceparent).toBe(traceparent);
  });

  it('takes what it knows of a later version', async () => {
    const trace = await traceOf({ traceparent: `cc-${traceId}-${parentId}-01-what-the-future-brings` });
    expect(trace?.traceparent).toBe(`00-${traceId}-${parentId}-01`);
  });

  it.each([
    '',
    'garbage',
    `00-${traceId}-${parentId}`,
    `00-${traceId}-${parentId}-01-more`,
    `00-${traceId}-${parentId}-01-`,
    `cc-${traceId}-${parentId}-01more`,
    `ff-${traceId}-${parentId}-01`,
    `00-${'0'.repeat(32)}-${parentId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${parentId}-01`,
    `00-${traceId}-${parentId}-0g`,
    `00-${traceId}-${parentId}-01, 00-${traceId}-${parentId}-01`,
  ])('begins a trace instead of %j', async (traceparent) => {
    const trace = await traceOf({ traceparent });
    expect(trace?.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(trace?.traceparent).not.toContain(traceId);
  });

  it('begins another trace for each call, the same however often it is asked', async () => {
    const interceptor = tracing();
    const traces = await Promise.all(Array.from({ length: 600 }, () => traceOf({}, interceptor)));

    expect(new Set(traces.map((trace) => trace?.traceId)).size).toBe(600);
    for (const trace of traces) expect(trace?.traceparent.slice(3, 35)).toBe(trace?.traceId);
  });

  it('draws no randomness for a call that nobody asks the trace of', async () => {
    let drawn = 0;
    await traceOf(
      {},
      tracing(undefined, () => {
        drawn++;
      }),
    );
    expect(drawn).toBe(0);
  });
});

describe('inside of a handler', () => {
  /** What a line of the log would be given there, after something was awaited, and what outside of it. */
  async function linesOf(header: Record<string, string>): Promise<{ inside: object; outside: object }> {
    followCalls();
    const call = callTo(QueryService.method.getUser, { header });
    let inside = {};
    const handler = async (): Promise<Answer> => {
      await setImmediate();
      inside = traceOfLine();
      return new Answer(call.method, create(call.method.output));
    };
    await around(tracing(), call.method, around(handlerTrace(), call.method, handler))(call);
    return { inside, outside: traceOfLine() };
  }

  it('lines of the log have the trace of the call, which nobody records', async () => {
    const traces = Array.from({ length: 20 }, (_, n) => n.toString(16).padStart(32, 'a'));
    const lines = await Promise.all(traces.map((id) => linesOf({ traceparent: `00-${id}-${parentId}-00` })));
    expect(lines.map(({ inside }) => inside)).toEqual(traces.map((id) => ({ trace_id: id })));
    for (const { outside } of lines) expect(outside).toEqual({});
  });
});
