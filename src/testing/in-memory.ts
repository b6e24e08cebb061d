import { create, type DescMessage, type DescMethod } from '@bufbuild/protobuf';
import type { Result } from 'neverthrow';
import { Answer } from '../kernel/bus/answer.ts';
import { composed } from '../kernel/bus/around.ts';
import { Call, type Message } from '../kernel/bus/call.ts';
import type { CommandContext } from '../kernel/bus/command.ts';
import { principalKey } from '../kernel/bus/context-keys.ts';
import { messageKind, methodName } from '../kernel/bus/convention.ts';
import { DomainError } from '../kernel/bus/errors.ts';
import type { AnyHandler } from '../kernel/bus/handler.ts';
import { type Around, middlewareOf } from '../kernel/bus/middleware.ts';
import type { AggregateType } from '../kernel/database/write/aggregate-type.ts';
import { authorization } from '../kernel/middleware/authorization.ts';
import { retry } from '../kernel/middleware/retry.ts';
import { validation } from '../kernel/middleware/validation.ts';
import type { Module } from '../kernel/module.ts';
import { aggregateTypesOf } from '../kernel/start/modules.ts';
import { principalBy } from './caller.ts';
import { prepareMappings } from './mappings.ts';
import { type KeptEvent, MemoryStore, plainOf, type Unique } from './memory/memory-store.ts';
import { MemoryUnitOfWork } from './memory/memory-unit-of-work.ts';
import { type Outcome, type PlainEvent, refusalBy } from './outcome.ts';
import { expectedEvent, plain } from './plain.ts';
import { Done, Scenario, type Sent, type Stage } from './scenario.ts';
import { TEST_TIME, testId, uuid } from './test-ids.ts';

/** What contexts of handlers in memory are made with. */
export interface InMemoryTools {
  readonly work: MemoryUnitOfWork;
  readonly call: Call;
}

/** How a module runs in memory. */
export interface InMemoryOptions<Context extends CommandContext> {
  /** What is unique among the aggregates: see `unique`. */
  readonly uniques?: readonly Unique[];
  /** In the place of what the module's `start` makes. */
  readonly parts?: object;
  /**
   * In the place of the module's own, where its repositories ask by SQL: what its command handlers ask for besides CommandContext, with
   * repositories in memory.
   */
  readonly commandContext?: (base: CommandContext, tools: InMemoryTools) => Omit<Context, keyof CommandContext>;
}

/** Prepares what is no aggregate, by a unit of work that is committed afterwards. */
export type Preparation = (work: MemoryUnitOfWork) => unknown;

/** Tests of handlers in memory. */
export interface InMemory {
  /** What is there before the command: aggregates, commands that were `done`, and what is prepared. Each call begins with an empty store. */
  readonly given: (...given: readonly object[]) => Scenario;
}

/**
 * Runs handlers without a database, each in a millisecond: the real handler, behind the rules of its contract (text in form, validation,
 * access), with a unit of work in memory that promises what the one on PostgreSQL does. Limits, idempotency keys and read models are
 * those of a service: test them over the wire.
 *
 * ```ts
 * const { given } = inMemory(orders);
 *
 * it('cancels an order', () =>
 *   given(order).when(cancelOrder, { orderId: order.id }).then({ type: 'OrderCancelled' }, answered({ order: { id: order.id } })));
 * ```
 *
 * A repository that asks by SQL has one in memory, which the tests of both hold to the same promises:
 *
 * ```ts
 * const { given } = inMemory<OrdersContext>(orders, {
 *   uniques: [unique(OrderType, 'order_number_key', ({ number }) => number)],
 *   commandContext: (base, { work }) => ({ orders: memoryOrders(work) }),
 * });
 * ```
 */
export function inMemory<Context extends CommandContext>(module: Module, options: InMemoryOptions<Context> = {}): InMemory {
  if (module.start && !options.parts && !options.commandContext)
    throw new TypeError(
      `the module ${module.name} has a \`start\`: give \`inMemory\` its \`parts\`, or a \`commandContext\` that needs none`,
    );
  prepareMappings(module);
  return { given: (...given) => new Scenario(memoryStage(module, options as InMemoryOptions<never>, given), given) };
}

function memoryStage(
  module: Module,
  { uniques, parts, commandContext = module.commandContext as never }: InMemoryOptions<never>,
  given: readonly object[],
): Stage {
  const types = aggregateTypesOf([module]);
  const schemas = new Map<PlainEvent, DescMessage>();
  const store = new MemoryStore(uniques);
  let commands = 0;
  let prepared: Promise<void> | undefined;

  /** Of several commands under test the first takes the ids `testId(1)` and so on. */
  async function run(sent: Sent, name: string): Promise<Outcome> {
    const { rpc, request, caller, at } = sent;
    const handler = handlerOf(module, 'method' in rpc ? rpc.method : rpc);
    const call = callOf(handler, request as Record<string, unknown>, uuid(at, name));
    call.contextValues.set(principalKey, principalBy(caller));
    let work: MemoryUnitOfWork | undefined;
    const dispatch = composed(middlewareFor(handler.method), async () => {
      const { changes } = handler;
      const origin = { commandId: call.id, occurredAt: at, method: methodName(handler.method), ...(changes && { changes }) };
      work = new MemoryUnitOfWork(store, origin);
      let taken = 0;
      const newId = (): string => {
        taken += 1;
        return testId(name === 'command 1' ? taken : `${name}, id ${taken}`);
      };
      const base = { principal: principalBy(caller), now: at, newId, signal: call.signal };
      const added = (commandContext as MakeContext | undefined)?.(base, { work, parts, call });
      const answer = await answerOf(handler, call, { ...base, ...added });
      work.commit();
      return answer;
    });
    try {
      const { message } = await dispatch(call);
      const events = store.events.filter(({ commandId }) => commandId === call.id).map(shown);
      const answer = plain(handler.method.output, message as Message);
      return { events, answer, refusal: undefined, state: work?.target };
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      return { events: [], answer: undefined, refusal: refusalBy(error), state: undefined };
    }
  }

  function shown(event: KeptEvent): PlainEvent {
    const plainForm = plainOf(event);
    schemas.set(plainForm, event.schema);
    return plainForm;
  }

  async function prepareAll(): Promise<void> {
    for (const [index, item] of given.entries()) {
      if (item instanceof Done) {
        const { refusal } = await run(item.sent, `done ${index + 1}`);
        if (refusal) throw new Error(`what is given was refused: ${refusal.reason} (${refusal.message})`);
      } else if (typeof item === 'function') {
        const origin = { commandId: uuid(TEST_TIME, `given ${index}`), occurredAt: TEST_TIME, method: 'given' };
        const work = new MemoryUnitOfWork(store, origin);
        await (item as Preparation)(work);
        work.commit();
      } else {
        const type = typeOf(item, types);
        store.put(type, item);
        store.append(type, item, type.events(item), { commandId: uuid(TEST_TIME, `given ${index}`), occurredAt: TEST_TIME });
      }
    }
  }

  return {
    prepare: () => {
      prepared ??= prepareAll();
      return prepared;
    },
    send: (sent) => {
      commands += 1;
      return run(sent, `command ${commands}`);
    },
    stored: async (type, id) => {
      const found = store.load(type, id);
      const events = store.events.filter(({ aggregateType, aggregateId }) => aggregateType === type.name && aggregateId === id);
      return (
        found && {
          aggregate: found.aggregate,
          history: events.map((event) => ({
            event: plainOf(event),
            version: event.aggregateVersion,
            occurredAt: event.occurredAt,
            commandId: event.commandId,
          })),
        }
      );
    },
    form: (expected, recorded) => expectedEvent(expected as PlainEvent, schemas.get(recorded as PlainEvent)),
  };
}

const MIDDLEWARE = [validation(), authorization(), retry(() => 0)];
const middlewareByMethod = new Map<DescMethod, readonly Around[]>();

/** The rules of a contract take their time to be compiled: once a process. */
function middlewareFor(method: DescMethod): readonly Around[] {
  let made = middlewareByMethod.get(method);
  if (!made) {
    made = middlewareOf(MIDDLEWARE, method, 'command').map(({ around }) => around);
    middlewareByMethod.set(method, made);
  }
  return made;
}

function callOf({ method }: AnyHandler, request: Record<string, unknown>, id: string): Call {
  return new Call({
    method,
    request: create(method.input, request),
    origin: { door: 'in-process', peer: '', deadline: undefined, requestMethod: 'POST' },
    header: () => new Headers(),
    id,
  });
}

async function answerOf(handler: AnyHandler, call: Call, context: unknown): Promise<Answer> {
  const result = (await handler.handle(call.request as never, context as never)) as Result<Message, DomainError>;
  if (result.isErr()) throw result.error;
  return new Answer(call.method, create(call.method.output, result.value));
}

type MakeContext = (base: CommandContext, tools: InMemoryTools & { readonly parts: unknown }) => object;

function handlerOf({ name, services }: Module, method: DescMethod): AnyHandler {
  const handlers = services.find(({ service }) => service === method.parent)?.handlers;
  const handler = handlers?.[method.localName];
  if (!handler) throw new TypeError(`${methodName(method)} is no rpc of the module ${name}`);
  if (messageKind(method.parent) !== 'command')
    throw new TypeError(`${methodName(method)} is a query, and reads a database: test it over the wire`);
  return handler;
}

function typeOf(aggregate: object, types: readonly AggregateType<object>[]): AggregateType<object> {
  const type = types.find(({ mapping }) => aggregate instanceof (mapping.meta.class as unknown as new () => object));
  if (!type) throw new TypeError(`${aggregate.constructor.name} is none of the aggregates of the module`);
  return type;
}
