import { create, type DescMethod, ScalarType } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import type { Interceptor, StreamRequest, UnaryRequest } from '@connectrpc/connect';
import type { Result } from 'neverthrow';
import { accessRule } from './access.ts';
import { Answer, answerOf, type ConnectResponse, toResponse } from './answer.ts';
import { type Call, callOf, type Message } from './call.ts';
import { handlerPath, type MessageKind, messageKind, methodName } from './convention.ts';
import type { DomainError } from './errors.ts';
import type { AnyHandler } from './handler.ts';
import { limitProblems, rateClassProblems } from './limits.ts';
import type { BusModule, ServiceHandlers } from './module.ts';

/** An rpc with the one function that every door calls for it: the middleware and, innermost, the handler. */
export interface Rpc {
  readonly method: DescMethod;
  readonly dispatch: (call: Call) => Promise<Answer>;
}

/** An rpc of the bus. */
export interface Route extends Rpc {
  readonly kind: MessageKind;
  /** Of a command: runs one again that is on record. */
  readonly replay: ((call: Call) => Promise<Answer>) | undefined;
}

/** The middleware of each kind of message, outermost first. */
export interface Pipelines {
  readonly command: readonly Interceptor[];
  readonly query: readonly Interceptor[];
  /** Of recorded commands that are run again; without it none can be. */
  readonly replay?: readonly Interceptor[];
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
  const problems: string[] = [];
  const routes = new Map<string, Route>();
  for (const module of modules) {
    for (const service of module.services) {
      problems.push(...problemsOf(service));
      for (const method of service.service.methods) {
        const name = methodName(method);
        const handler = service.handlers[method.localName];
        const kind = messageKind(method.parent);
        if (!handler || !kind) continue;
        if (routes.has(name)) problems.push(`${name} is registered twice`);
        routes.set(name, {
          method,
          kind,
          dispatch: compose(handler, module, pipelines[kind]),
          replay: kind === 'command' && pipelines.replay ? compose(handler, module, pipelines.replay) : undefined,
        });
      }
    }
  }
  problems.push(...rateClassProblems([...routes.values()].map(({ method }) => method)));
  if (problems.length > 0) throw new RegistrationError(problems);
  return routes;
}

function compose(handler: AnyHandler, module: BusModule, interceptors: readonly Interceptor[]): Rpc['dispatch'] {
  const answer = (handler.method.methodKind === 'unary' ? answerUnary : answerStream) as (
    handler: AnyHandler,
    call: Call,
    context: never,
  ) => Promise<Answer>;
  return composed(interceptors, (call) => answer(handler, call, module.context(call) as never));
}

/** The interceptors, outermost first, around what answers. */
export function composed(interceptors: readonly Interceptor[], answer: Rpc['dispatch']): Rpc['dispatch'] {
  type Next = (request: UnaryRequest | StreamRequest) => Promise<ConnectResponse>;
  const innermost: Next = async (request) => toResponse(await answer(callOf(request)));
  const chain = interceptors.reduceRight<Next>((next, interceptor) => interceptor(next), innermost);
  return async (call) => answerOf(await chain(call as unknown as UnaryRequest | StreamRequest));
}

async function answerUnary(handler: AnyHandler, call: Call, context: never): Promise<Answer> {
  const result = (await handler.handle(call.request as never, context)) as Result<Message, DomainError>;
  if (result.isErr()) throw result.error;
  return new Answer(call.method, create(call.method.output, result.value));
}

async function answerStream(handler: AnyHandler, call: Call, context: never): Promise<Answer> {
  const messages = handler.handle(call.request as never, context) as AsyncIterable<Message>;
  return new Answer(call.method, created(call.method, messages));
}

async function* created(method: DescMethod, messages: AsyncIterable<Message>): AsyncGenerator<Message> {
  for await (const message of messages) yield create(method.output, message);
}

function problemsOf({ service, handlers }: ServiceHandlers): string[] {
  if (!messageKind(service)) return [`${service.typeName} is named neither CommandService nor QueryService`];
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
  if (isQuery && !isSafe) problems.push(`${name} is a query and needs \`option idempotency_level = NO_SIDE_EFFECTS\``);
  if (!isQuery && isSafe) problems.push(`${name} is a command and cannot be NO_SIDE_EFFECTS`);
  if (!isQuery && method.methodKind !== 'unary') problems.push(`${name} is a command and has to be unary`);
  problems.push(...accessProblems(method), ...limitProblems(method));
  return problems;
}

function accessProblems(method: DescMethod): string[] {
  const name = methodName(method);
  const rule = accessRule(method);
  if (!rule) return [`${name} has no access rule: add \`option (cqrs.v1.access)\` to it`];
  if (rule.self === '') return [];
  const field = method.input.fields.find((candidate) => candidate.name === rule.self);
  if (field?.fieldKind === 'scalar' && field.scalar === ScalarType.STRING) return [];
  return [`${name}: the access rule names \`${rule.self}\`, which is no string field of ${method.input.typeName}`];
}
