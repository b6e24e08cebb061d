import type { DescMessage, DescService } from '@bufbuild/protobuf';
import { type Client, Code, ConnectError, createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  BadRequestSchema,
  ErrorInfoSchema,
  PreconditionFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from '#gen/google/rpc/error_details_pb.js';
import { CommandService, OpenService, QueryService } from '../../gen/conformance/v1/conformance_pb.js';
import { conformanceService } from '../../support/conformance-service.ts';
import { openDoors, SUBJECTS, type Subject } from '../../support/doors.ts';
import { eventually } from '../../support/eventually.ts';
import { FOREVER } from '../../support/patience.ts';

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
const { aborted, reported, calls } = conformance;
let doors: Awaited<ReturnType<typeof openDoors>>;

beforeAll(async () => {
  doors = await openDoors(conformance);
});
afterAll(() => doors.close());

describe.each(SUBJECTS)('$name', ({ network, open }) => {
  let opened: ReturnType<Subject['open']>;
  let commands: Client<typeof CommandService>;
  let queries: Client<typeof QueryService>;

  beforeAll(() => {
    opened = open({ ...doors, conformance });
    commands = createClient(CommandService, opened.transport);
    queries = createClient(QueryService, opened.transport);
  });
  afterAll(() => opened.close?.());
  beforeEach(() => {
    for (const list of [aborted, reported, calls]) list.length = 0;
  });

  it('tells the handler the deadline', async () => {
    const { timeoutMs } = await commands.echo({}, { timeoutMs: 400_000 });
    expect(Number(timeoutMs)).toBeGreaterThan(0);
    expect(Number(timeoutMs)).toBeLessThanOrEqual(400_000);
    expect((await commands.echo({})).timeoutMs).toBe(0n);
  });

  it('keeps a deadline that is further away than a timer reaches', async () => {
    const headers = { 'grpc-timeout': '99999999H', 'connect-timeout-ms': '9999999999' };
    expect((await commands.echo({ text: 'patient', delayMs: 20 }, { headers })).text).toBe('patient');
  });

  it('ends a call at its deadline and tells the handler', async () => {
    const error = await failure(commands.echo({ delayMs: FOREVER }, { timeoutMs: 300 }));
    expect(error.code).toBe(Code.DeadlineExceeded);
    // A caller that hangs up at its deadline may do so a moment before the door's own timer.
    await eventually(() => expect(aborted).toEqual([expect.stringMatching(/DeadlinePassed|CallCanceled/)]));
  });

  it('ends a stream at its deadline and tells the handler', async () => {
    const error = await failure(Array.fromAsync(queries.count({ upTo: 1_000_000, delayMs: 50 }, { timeoutMs: 400 })));
    expect(error.code).toBe(Code.DeadlineExceeded);
    await eventually(() => expect(aborted).toEqual([expect.stringMatching(/DeadlinePassed|CallCanceled/)]));
  });

  it('answers a passed deadline with details when the caller still listens', async () => {
    const options = network ? { headers: { 'grpc-timeout': '400m', 'connect-timeout-ms': '400' } } : { timeoutMs: 400 };
    const unary = await failure(commands.echo({ delayMs: FOREVER }, options));
    expect([unary.code, reasonOf(unary)]).toEqual([Code.DeadlineExceeded, 'DEADLINE_PASSED']);
    const stream = await failure(Array.fromAsync(queries.count({ upTo: 1_000_000, delayMs: 50 }, options)));
    expect([stream.code, reasonOf(stream)]).toEqual([Code.DeadlineExceeded, 'DEADLINE_PASSED']);
    await eventually(() => expect(aborted).toEqual(['DeadlinePassed', 'DeadlinePassed']));
  });

  it('tells the handler when the caller cancels', async () => {
    const abort = new AbortController();
    const call = failure(commands.echo({ delayMs: FOREVER }, { signal: abort.signal }));
    await eventually(() => expect(calls).toHaveLength(1));
    abort.abort();
    expect((await call).code).toBe(Code.Canceled);
    await eventually(() => expect(aborted).toEqual(['CallCanceled']));
  });

  it('tells the handler of a stream when the caller cancels', async () => {
    const abort = new AbortController();
    const error = await failure(
      (async () => {
        for await (const { value } of queries.count({ upTo: 1_000_000, delayMs: 100 }, { signal: abort.signal })) {
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

  if (network) {
    it('refuses a message over the limit and says so', async () => {
      const error = await failure(commands.echo({ text: 'x'.repeat(4 * 1024 * 1024) }));
      expect(error.code).toBe(Code.ResourceExhausted);
      expect(error.rawMessage).toBe('the request message is larger than 4194304 bytes');
      expect(reasonOf(error)).toBe('MESSAGE_TOO_LARGE');
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
