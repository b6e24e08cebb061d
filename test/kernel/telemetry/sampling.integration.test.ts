import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { context, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { CommandService } from '../../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../../gen/users/v1/query_service_pb.js';
import { withTrace } from '../../../src/kernel/telemetry/active-trace.ts';
import { somebody } from '../../support/people.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';
import { startTracedApp, type TracedApp } from '../../support/traced-app.ts';

interface Call {
  readonly traceId: string;
  /** What the answer says; undefined when nothing is recorded. */
  readonly answered: string | undefined;
  /** What is stored with the event. */
  readonly stored: string | undefined;
  readonly line: Readonly<Record<string, unknown>> | undefined;
}

/** Signs somebody up as a caller over a network does, with these flags in its `traceparent`. */
async function signUpWith(app: TestApp, flags: '00' | '01', traceId = randomBytes(16).toString('hex')): Promise<Call> {
  let answered: string | undefined;
  const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-${flags}` };
  const onHeader = (header: Headers): void => {
    answered = header.get('traceparent') ?? undefined;
  };
  await app.client(CommandService).createUser(somebody(), { headers, onHeader });
  const [event] = await app.database.query<{ traceparent: string }>(
    'select traceparent from cqrs.event order by position desc limit 1',
  );
  return { traceId, answered, stored: event?.traceparent, line: lineOf(app, traceId) };
}

function lineOf(app: TestApp, traceId: string, message = 'call'): Readonly<Record<string, unknown>> | undefined {
  const lines = app.log().split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line)).find((line) => line.trace_id === traceId && line.msg === message);
}

function expectRecorded({ traceId, answered, stored, line }: Call): void {
  expect(answered).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
  expect(stored).toBe(answered);
  expect(line?.span_id).toBe(answered?.split('-')[2]);
}

function expectNotRecorded({ traceId, answered, stored, line }: Call): void {
  expect(answered).toBeUndefined();
  expect(stored).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`));
  expect(line).toBeDefined();
  expect(line).not.toHaveProperty('span_id');
}

const sampler = (name: string, argument = ''): { variables: Record<string, string> } => ({
  variables: { OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: argument },
});

describe('whether a call is recorded', () => {
  it('is no matter of its caller', async () => {
    await using off: TracedApp = await startTracedApp(sampler('parentbased_always_off'));
    expectNotRecorded(await signUpWith(off.app, '01'));
    await off[Symbol.asyncDispose]();
    expect(off.collector.spans().filter(({ kind }) => kind === 'server')).toEqual([]);

    await using on: TracedApp = await startTracedApp(sampler('parentbased_always_on'));
    expectRecorded(await signUpWith(on.app, '00'));
  });

  it('is no matter of the id that it chose', async () => {
    await using half: TracedApp = await startTracedApp(sampler('traceidratio', '0.5'));
    // The ratio alone would let this one always through.
    const traceId = '00000001000000000000000000000000';
    const calls = 40;
    let recorded = 0;
    for (let call = 0; call < calls; call += 1) {
      const { answered, stored } = await signUpWith(half.app, '01', traceId);
      if (answered) recorded += 1;
      expect(stored?.endsWith(answered ? '-01' : '-00')).toBe(true);
    }
    expect(recorded).toBeGreaterThan(0);
    expect(recorded).toBeLessThan(calls);
    // What is inside goes with its call, also where the sampler would have it otherwise.
    const spans = await half.collector.trace(traceId, (found) =>
      expect(found.filter(({ kind }) => kind === 'server').length).toBe(recorded),
    );
    expect(spans.filter(({ name }) => name === 'COMMIT').length).toBe(recorded);
  });

  it('is a matter of its caller where callers are trusted', async () => {
    await using trusting: TracedApp = await startTracedApp({ ...sampler('parentbased_always_off'), trustRemote: true });
    expectRecorded(await signUpWith(trusting.app, '01'));
    expectNotRecorded(await signUpWith(trusting.app, '00'));
  });

  it('is decided as by default when the sampler has no such name', async () => {
    await using misspelled: TracedApp = await startTracedApp(sampler('sometimes'));
    expectRecorded(await signUpWith(misspelled.app, '00'));
    expect(misspelled.app.log()).toContain('OTEL_TRACES_SAMPLER');
  });
});

describe('a call inside of the process', () => {
  it('is part of what is under way where it was made', async () => {
    await using traced: TracedApp = await startTracedApp();
    const span = trace.getTracer('test').startSpan('around');
    await context.with(trace.setSpan(ROOT_CONTEXT, span), () => traced.app.client(CommandService).createUser(somebody()));
    span.end();
    const { traceId, spanId } = span.spanContext();
    const spans = await traced.collector.trace(traceId, (found) => expect(found.map(({ name }) => name)).toContain('around'));
    expect(spans.find(({ kind }) => kind === 'server')?.parentId).toBe(spanId);
  });

  it('is so without spans as well', async () => {
    const app = await startTestApp();
    const traceId = randomBytes(16).toString('hex');
    const around = withTrace({ traceId, traceparent: `00-${traceId}-00f067aa0ba902b7-00` });
    await context.with(around, () => app.client(CommandService).createUser(somebody()));
    await app.stop();
    expect(lineOf(app, traceId)).toMatchObject({ method: 'users.v1.CommandService/CreateUser', code: 'OK' });
  });
});

it('without spans, lines from inside of a call have its trace as well', async () => {
  const app = await startTestApp();
  await app.database.query('alter table read.user_directory rename to gone');
  const traceId = randomBytes(16).toString('hex');
  const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-01`, 'cqrs-consistency': 'strong' };
  await expect(app.client(QueryService, { roles: ['auditor'] }).listUsers({}, { headers })).rejects.toThrow();
  await app.stop();
  expect(lineOf(app, traceId, 'unexpected error')).toMatchObject({ level: 'error' });
  expect(lineOf(app, traceId)).toMatchObject({ code: 'INTERNAL' });
});
