import { create, type DescMethod, type DescService } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { err, ok } from 'neverthrow';
import { type Bus, createBus, RegistrationError } from '../../../src/kernel/bus/bus.ts';
import { Call } from '../../../src/kernel/bus/call.ts';
import type { AnyHandler } from '../../../src/kernel/bus/handler.ts';
import { busMiddleware, type Middleware } from '../../../src/kernel/bus/middleware.ts';
import type { BusModule, ServiceHandlers } from '../../../src/kernel/bus/module.ts';
import {
  CommandService,
  MislimitedService,
  OpenService,
  QueryService,
  UploadService,
} from '../../gen/conformance/v1/conformance_pb.js';
import { Failure } from '../../support/conformance-service.ts';

const NO_PIPELINES = { command: [], query: [] };

const echo: AnyHandler = { method: CommandService.method.echo, handle: async () => ok({ text: 'echo' }) };
const ask: AnyHandler = { method: QueryService.method.ask, handle: async () => ok({ text: 'answer' }) };
const count: AnyHandler = {
  method: QueryService.method.count,
  handle: async function* () {
    yield { value: 1 };
  },
};
const commands: ServiceHandlers = { service: CommandService, handlers: { echo } };
const queries: ServiceHandlers = { service: QueryService, handlers: { ask, count } };

function moduleOf(...services: ServiceHandlers[]): BusModule {
  return { name: 'conformance', services, context: () => ({}) };
}

function problemsOf(...services: ServiceHandlers[]): string {
  try {
    createBus([moduleOf(...services)], NO_PIPELINES);
  } catch (error) {
    if (error instanceof RegistrationError) return error.message;
  }
  throw new Error('was registered');
}

/** A service of another shape under the name that makes its kind. */
function renamed(service: DescService, name: string): DescService {
  const copy = { ...service, name, methods: [] as DescMethod[] } as unknown as DescService;
  for (const method of service.methods) copy.methods.push({ ...method, parent: copy } as DescMethod);
  return copy;
}

async function dispatch(bus: Bus, method: DescMethod): Promise<unknown> {
  const origin = { door: 'in-process', peer: '', deadline: undefined, requestMethod: 'POST' } as const;
  const call = new Call({ method, request: create(method.input), origin, header: () => new Headers() });
  const answer = await bus.get(`${method.parent.typeName}/${method.name}`)?.dispatch(call);
  return answer?.message;
}

describe('createBus', () => {
  it('registers every rpc under its name', () => {
    const bus = createBus([moduleOf(commands, queries)], NO_PIPELINES);
    expect([...bus.keys()]).toEqual([
      'conformance.v1.CommandService/Echo',
      'conformance.v1.QueryService/Ask',
      'conformance.v1.QueryService/Count',
    ]);
  });

  it('names the method and the file of a missing handler', () => {
    const problems = problemsOf(commands, { service: QueryService, handlers: { count } });
    expect(problems).toContain(
      'conformance.v1.QueryService/Ask has no handler: export `ask` from src/modules/conformance/queries/ask.ts',
    );
  });

  it('refuses a handler without an rpc', () => {
    const problems = problemsOf({ service: CommandService, handlers: { echo, shout: echo } });
    expect(problems).toContain('the handler `shout` has no rpc in conformance.v1.CommandService');
  });

  it('refuses a handler of another rpc', () => {
    const problems = problemsOf({ service: CommandService, handlers: { echo: ask } });
    expect(problems).toContain('handles conformance.v1.QueryService/Ask instead of conformance.v1.CommandService/Echo');
  });

  it('refuses an rpc without an access rule', () => {
    const service = renamed(OpenService, 'CommandService');
    expect(problemsOf({ service, handlers: {} })).toContain('conformance.v1.OpenService/Open has no access rule');
  });

  it('refuses streamed requests', () => {
    const service = renamed(UploadService, 'CommandService');
    expect(problemsOf({ service, handlers: {} })).toContain(
      'conformance.v1.UploadService/Upload streams requests, which is not supported',
    );
  });

  it('refuses a query that may have side effects', () => {
    const service = renamed(CommandService, 'QueryService');
    expect(problemsOf({ service, handlers: { echo } })).toContain(
      'conformance.v1.CommandService/Echo is a query and needs `option idempotency_level = NO_SIDE_EFFECTS` in conformance/v1/conformance.proto',
    );
  });

  it('refuses a command that claims to have none', () => {
    const service = renamed(QueryService, 'CommandService');
    expect(problemsOf({ service, handlers: { ask, count } })).toContain(
      'conformance.v1.QueryService/Ask is a command and cannot be NO_SIDE_EFFECTS',
    );
  });

  it('refuses a service that is neither of commands nor of queries', () => {
    expect(problemsOf({ service: OpenService, handlers: {} })).toContain(
      'conformance.v1.OpenService has neither the name CommandService nor QueryService',
    );
  });

  it('refuses an rpc that is registered twice', () => {
    expect(problemsOf(commands, commands)).toContain('conformance.v1.CommandService/Echo is registered twice');
  });

  it('refuses limits that cannot be kept', () => {
    const service = renamed(MislimitedService, 'CommandService');
    const handlers = Object.fromEntries(
      service.methods.map((method) => [method.localName, { ...echo, method }] as [string, AnyHandler]),
    );
    const problems = problemsOf({ service, handlers });
    const name = 'conformance.v1.MislimitedService';
    expect(problems).toContain(
      `${name}/First: the guess limit names \`payload\`, which is no string field of conformance.v1.EchoRequest`,
    );
    expect(problems).toContain(`${name}/First: the guess limit names no reason that means a wrong guess`);
    expect(problems).toContain(`${name}/Second: the rate limit of class shared differs from that of ${name}/First`);
    expect(problems).toContain(`${name}/Third: the rate limit needs a class, calls and seconds`);
  });

  it('lists all problems at once', () => {
    const problems = problemsOf({ service: CommandService, handlers: {} }, { service: QueryService, handlers: {} });
    expect(problems.match(/has no handler/g)).toHaveLength(3);
  });

  it('runs the middleware of the kind in their order, around the handler', async () => {
    const log: string[] = [];
    const noting = (name: string): Middleware =>
      busMiddleware(name, () => (next) => async (call) => {
        log.push(`${name} >`);
        const answer = await next(call);
        log.push(`< ${name}`);
        return answer;
      });
    const bus = createBus([moduleOf(commands, queries)], {
      command: [noting('first'), noting('second')],
      query: [noting('query')],
    });
    expect(await dispatch(bus, CommandService.method.echo)).toMatchObject({ text: 'echo' });
    expect(log.splice(0)).toEqual(['first >', 'second >', '< second', '< first']);
    expect(await dispatch(bus, QueryService.method.ask)).toMatchObject({ text: 'answer' });
    expect(log).toEqual(['query >', '< query']);
  });

  it('makes a middleware once for each rpc, not at every call, and leaves out the rpcs where it has nothing to do', async () => {
    const made: string[] = [];
    const composed: string[] = [];
    const some = busMiddleware('some', ({ name }, kind) => {
      made.push(`${name} is a ${kind}`);
      if (name === 'Ask') return undefined;
      return (next) => {
        composed.push(name);
        return next;
      };
    });
    const bus = createBus([moduleOf(commands, queries)], { command: [some], query: [some] });
    await dispatch(bus, CommandService.method.echo);
    await dispatch(bus, CommandService.method.echo);
    await dispatch(bus, QueryService.method.ask);
    expect(made).toEqual(['Echo is a command', 'Ask is a query', 'Count is a stream']);
    expect(composed).toEqual(['Echo', 'Count']);
    expect([...bus.values()].map(({ pipeline }) => pipeline)).toEqual([['some'], [], ['some']]);
  });

  it('throws what a handler answers as an error', async () => {
    const failing: AnyHandler = { method: CommandService.method.echo, handle: async () => err(new Failure('conflict')) };
    const bus = createBus([moduleOf({ service: CommandService, handlers: { echo: failing } })], NO_PIPELINES);
    await expect(dispatch(bus, CommandService.method.echo)).rejects.toThrow(Failure);
  });
});
