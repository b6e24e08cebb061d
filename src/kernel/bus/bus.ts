import { create, type DescMethod, ScalarType } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import type { Result } from 'neverthrow';
import { accessRule } from './access.ts';
import { Answer } from './answer.ts';
import { composed, type Next } from './around.ts';
import type { Message } from './call.ts';
import { type CallKind, callKind, handlerPath, messageKind, methodName } from './convention.ts';
import type { DomainError } from './errors.ts';
import type { AnyHandler } from './handler.ts';
import { limitProblems, rateClassProblems } from './limits.ts';
import { type Middleware, middlewareOf } from './middleware.ts';
import type { BusModule, ServiceHandlers } from './module.ts';

/** An rpc with the one function that every door calls for it: the middleware and, innermost, the handler. */
export interface Rpc {
  readonly method: DescMethod;
  readonly dispatch: Next;
}

/** An rpc of the bus. */
export interface Route extends Rpc {
  readonly kind: CallKind;
  /** The names of the middleware that its calls pass, outermost first. */
  readonly pipeline: readonly string[];
  /** Of a command: runs one again that is on record. */
  readonly rerun: Next | undefined;
}

/** The middleware of each kind of message, outermost first. Queries with a stream of answers pass that of queries. */
export interface Pipelines {
  readonly command: readonly Middleware[];
  readonly query: readonly Middleware[];
  /** Of recorded commands that are run again; without it none can be. */
  readonly rerun?: readonly Middleware[];
}

/** Every rpc the program serves, by name (`users.v1.CommandService/ChangeEmail`). */
export type Bus = ReadonlyMap<string, Route>;

/** The registered services or their contracts are not what the bus can serve; the message lists everything that is wrong. */
export class RegistrationError extends Error {
  constructor(problems: readonly string[]) {
    super(`The services cannot be registered:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'RegistrationError';
  }
}

/**
 * Joins the modules' handlers to the pipelines, once, at the start.
 *
 * Throws RegistrationError for a method without a handler or a handler without a method, an rpc without an access rule, a kind of
 * streaming that is not served, a query that is not marked free of side effects, limits that cannot be kept, and an rpc registered
 * twice.
 */
export function createBus(modules: readonly BusModule[], pipelines: Pipelines): Bus {
  const problems = registrationProblems(modules);
  if (problems.length > 0) throw new RegistrationError(problems);
  const served = new Map(rpcsOf(modules).map((rpc) => [methodName(rpc.method), rpc]));
  // A middleware that is made for an rpc may count on its contract.
  return new Map([...served].map(([name, rpc]) => [name, toRoute(rpc, pipelines)]));
}

/** What keeps modules from being registered: see `createBus`. */
export function registrationProblems(modules: readonly Pick<BusModule, 'services'>[]): string[] {
  const problems = modules.flatMap(({ services }) => services.flatMap(problemsOf));
  const rpcs = rpcsOf(modules);
  const names = rpcs.map(({ method }) => methodName(method));
  const twice = names.filter((name, index) => names.indexOf(name) !== index).map((name) => `${name} is registered twice`);
  return [...problems, ...twice, ...rateClassProblems(rpcs.map(({ method }) => method))];
}

function rpcsOf<Module extends Pick<BusModule, 'services'>>(modules: readonly Module[]) {
  return modules.flatMap((module) =>
    module.services.flatMap(({ service, handlers }) =>
      service.methods.flatMap((method) => {
        const handler = handlers[method.localName];
        return handler && messageKind(method.parent) ? [{ method, handler, module }] : [];
      }),
    ),
  );
}

/** An rpc and the module that serves it. */
interface Served {
  readonly method: DescMethod;
  readonly handler: AnyHandler;
  readonly module: BusModule;
}

function toRoute({ method, handler, module }: Served, pipelines: Pipelines): Route {
  const isCommand = messageKind(method.parent) === 'command';
  const kind = callKind(method);
  const answer = innermost(handler, module);
  const passed = middlewareOf(isCommand ? pipelines.command : pipelines.query, method, kind);
  const rerun = isCommand && pipelines.rerun && middlewareOf(pipelines.rerun, method, kind);
  return {
    method,
    kind,
    pipeline: passed.map(({ name }) => name),
    dispatch: composed(aroundsOf(passed), answer),
    rerun: rerun ? composed(aroundsOf(rerun), answer) : undefined,
  };
}

const aroundsOf = (passed: ReturnType<typeof middlewareOf>) => passed.map(({ around }) => around);

/** Calls the handler with what its module gives it. */
function innermost({ method, handle }: AnyHandler, { context }: BusModule): Next {
  const { output } = method;
  if (method.methodKind !== 'unary') {
    return async (call) => {
      const messages = handle(call.request as never, context(call) as never) as AsyncIterable<Message>;
      return new Answer(method, created(method, messages));
    };
  }
  return async (call) => {
    const result = (await handle(call.request as never, context(call) as never)) as Result<Message, DomainError>;
    if (result.isErr()) throw result.error;
    return new Answer(method, create(output, result.value));
  };
}

async function* created(method: DescMethod, messages: AsyncIterable<Message>): AsyncGenerator<Message> {
  for await (const message of messages) yield create(method.output, message);
}

function problemsOf({ service, handlers }: ServiceHandlers): string[] {
  if (!messageKind(service)) return [`${service.typeName} has neither the name CommandService nor QueryService`];
  const unknown = Object.keys(handlers)
    .filter((name) => !service.methods.some((method) => method.localName === name))
    .map((name) => `the handler \`${name}\` has no rpc in ${service.typeName}`);
  return [...unknown, ...service.methods.flatMap((method) => methodProblems(method, handlers[method.localName]))];
}

function methodProblems(method: DescMethod, handler: AnyHandler | undefined): string[] {
  const name = methodName(method);
  const problems: string[] = [];
  if (!handler) problems.push(`${name} has no handler: export \`${method.localName}\` from ${handlerPath(method)}`);
  else if (handler.method !== method)
    problems.push(`${handlerPath(method)} handles ${methodName(handler.method)} instead of ${name}`);

  if (method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming') {
    problems.push(`${name} streams requests, which is not supported: make it unary or server-streaming`);
  }
  const isQuery = messageKind(method.parent) === 'query';
  const isSafe = method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
  if (isQuery && !isSafe)
    problems.push(`${name} is a query and needs \`option idempotency_level = NO_SIDE_EFFECTS\` in ${contractOf(method)}`);
  if (!isQuery && isSafe) problems.push(`${name} is a command and cannot be NO_SIDE_EFFECTS`);
  if (!isQuery && method.methodKind !== 'unary') problems.push(`${name} is a command and has to be unary`);
  problems.push(...accessProblems(method), ...limitProblems(method));
  return problems;
}

/** Where the rpc is declared. */
const contractOf = (method: DescMethod): string => `${method.parent.file.name}.proto`;

function accessProblems(method: DescMethod): string[] {
  const name = methodName(method);
  const rule = accessRule(method);
  if (!rule) return [`${name} has no access rule: add \`option (cqrs.v1.access)\` to it in ${contractOf(method)}`];
  return [rule.self, rule.owner].flatMap((named) => {
    const field = method.input.fields.find((candidate) => candidate.name === named);
    if (named === '' || (field?.fieldKind === 'scalar' && field.scalar === ScalarType.STRING)) return [];
    return [`${name}: the access rule names \`${named}\`, which is no string field of ${method.input.typeName}`];
  });
}
