import { setTimeout as sleep } from 'node:timers/promises';
import { Code, type Interceptor } from '@connectrpc/connect';
import { err, ok } from 'neverthrow';
import { type Bus, createBus } from '../../src/kernel/bus/bus.ts';
import type { Call, Message } from '../../src/kernel/bus/call.ts';
import { type CommandContext, command } from '../../src/kernel/bus/command.ts';
import { type DomainError, domainError } from '../../src/kernel/bus/errors.ts';
import { middleware } from '../../src/kernel/bus/middleware.ts';
import { busModule } from '../../src/kernel/bus/module.ts';
import { ANONYMOUS } from '../../src/kernel/bus/principal.ts';
import { type QueryContext, query, streamQuery } from '../../src/kernel/bus/query.ts';
import { deadline } from '../../src/kernel/middleware/deadline.ts';
import { errors, type UnexpectedErrors } from '../../src/kernel/middleware/errors.ts';
import { CommandService, QueryService, Reason, ReasonSchema } from '../gen/conformance/v1/conformance_pb.js';

/** What `fail_with` can ask for, with the code of the error. */
const FAILURES = {
  invalid: Code.InvalidArgument,
  unauthenticated: Code.Unauthenticated,
  denied: Code.PermissionDenied,
  'not-found': Code.NotFound,
  'already-exists': Code.AlreadyExists,
  precondition: Code.FailedPrecondition,
  conflict: Code.Aborted,
  overloaded: Code.ResourceExhausted,
  unavailable: Code.Unavailable,
  deadline: Code.DeadlineExceeded,
  canceled: Code.Canceled,
};

export type FailureKind = keyof typeof FAILURES;

/** The error that `fail_with: <kind>` asks for, with everything an error can say. */
export class Failure extends domainError(ReasonSchema, Reason.FAILURE) {
  readonly #code: Code;
  override readonly metadata: Readonly<Record<string, string>> = { flavour: 'sour' };
  override readonly violations = [{ field: 'text', description: 'must be sweet', rule: 'string.sweet' }];
  override readonly resource: DomainError['resource'];
  override readonly retryAfterMs: number | undefined;

  constructor(kind: FailureKind) {
    super(`failed: ${kind}`);
    this.#code = FAILURES[kind];
    this.resource = kind === 'not-found' || kind === 'already-exists' ? { type: 'fruit', name: 'lemon' } : undefined;
    this.retryAfterMs = kind === 'overloaded' || kind === 'unavailable' ? 1500 : undefined;
  }

  /** The contract gives the reason one code; here it has the code that was asked for. */
  override get code(): Code {
    return this.#code;
  }
}

/** The services that the doors are tested with, and what happened inside. */
export interface Conformance {
  readonly bus: Bus;
  readonly unexpected: UnexpectedErrors;
  /** What was reported as unexpected. */
  readonly reported: { error: unknown; errorId: string; method: string | undefined }[];
  /** Names of the reasons with which signals of handlers were aborted. */
  readonly aborted: string[];
  /** The calls as the handlers saw them. */
  readonly calls: Call[];
  /** How many answers of a stream were made. */
  produced: number;
  /** Streams that hold a place in the pipeline. */
  openStreams: number;
}

interface Inside {
  readonly call: Call;
}

/** `interceptors` stand around the handlers, outermost first. */
export function conformanceService(interceptors: readonly Interceptor[] = []): Conformance {
  const reported: Conformance['reported'] = [];
  const unexpected: UnexpectedErrors = {
    newId: () => `error-${reported.length + 1}`,
    report: (error) => reported.push(error),
  };
  const aborted: string[] = [];
  const calls: Call[] = [];

  const noteAbort = (signal: AbortSignal): void => {
    if (signal.aborted) aborted.push((signal.reason as Error).name);
  };
  const wait = async (ms: number, signal: AbortSignal): Promise<void> => {
    if (ms > 0) await sleep(ms, undefined, { signal });
  };

  const echo = command(CommandService.method.echo, async (request, { call, signal }: CommandContext & Inside) => {
    calls.push(call);
    try {
      await wait(request.delayMs, signal);
    } finally {
      noteAbort(signal);
    }
    if (request.failWith === 'bug') throw new Error('secret: the password is 123');
    if (request.failWith) return err(new Failure(request.failWith as FailureKind));
    const { deadline: until } = call.origin;
    const timeoutMs = BigInt(until === undefined ? 0 : Math.round(until - Date.now()));
    return ok({ text: request.text, payload: request.payload, timeoutMs, metadata: Object.fromEntries(call.header) });
  });

  const ask = query(QueryService.method.ask, async (request, { call, signal }: QueryContext & Inside) => {
    calls.push(call);
    await wait(request.delayMs, signal);
    if (request.failWith) return err(new Failure(request.failWith as FailureKind));
    return ok({ text: request.text });
  });

  const count = streamQuery(QueryService.method.count, async function* (request, { call, signal }: QueryContext & Inside) {
    calls.push(call);
    try {
      for (let value = 1; value <= request.upTo; value += 1) {
        await wait(request.delayMs, signal);
        conformance.produced += 1;
        yield { value };
        if (value === request.failAfter) throw request.failWith === 'bug' ? new Error('secret') : new Failure('conflict');
      }
    } finally {
      noteAbort(signal);
    }
  });

  const module = busModule<CommandContext & Inside, QueryContext & Inside>({
    name: 'conformance',
    services: [
      { service: CommandService, handlers: { echo } },
      { service: QueryService, handlers: { ask, count } },
    ],
    commandContext: (call) => ({ call, principal: ANONYMOUS, now: call.receivedAt, newId: call.newId, signal: call.signal }),
    queryContext: (call) => ({ call, principal: ANONYMOUS, signal: call.signal }),
  });
  const countStreams: Interceptor = (next) => async (request) => {
    const response = await next(request);
    if (!response.stream) return response;
    return { ...response, message: counted(response.message, conformance) };
  };
  const pipeline = [
    middleware('count of streams', () => countStreams, { before: 'errors' }),
    errors(unexpected),
    deadline({ maxUnaryMs: 5000 }),
    middleware('reflected metadata', () => reflectMetadata, { after: 'deadline' }),
    ...interceptors.map((interceptor, index) => middleware(`interceptor ${index + 1}`, () => interceptor, { after: 'deadline' })),
  ];
  const bus = createBus([module], { command: pipeline, query: pipeline });
  const conformance: Conformance = { bus, unexpected, reported, aborted, calls, produced: 0, openStreams: 0 };
  return conformance;
}

async function* counted(messages: AsyncIterable<Message>, counts: { openStreams: number }): AsyncGenerator<Message> {
  counts.openStreams += 1;
  try {
    yield* messages;
  } finally {
    counts.openStreams -= 1;
  }
}

/** Sends request headers back: `echo-…` among the headers, `trail-…` among the trailers. */
const reflectMetadata: Interceptor = (next) => async (request) => {
  const response = await next(request);
  for (const [key, value] of request.header) {
    if (key.startsWith('echo-')) response.header.set(key, value);
    if (key.startsWith('trail-')) response.trailer.set(key, value);
  }
  return response;
};
