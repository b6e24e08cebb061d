import type { DescMessage, DescMethodUnary, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { Client } from '@connectrpc/connect';

/** What stands beside an event in the feed. */
export interface ReactedEvent {
  /** Its number in the feed. */
  readonly sequence: number;
  readonly id: string;
  /** E.g. `orders.v1.OrderPlaced`. */
  readonly type: string;
  readonly aggregateType: string;
  readonly aggregateId: string;
  /** The version of the aggregate that the event's command left. */
  readonly aggregateVersion: number;
  /** The command that stored it. */
  readonly commandId: string;
  readonly occurredAt: Date;
}

/** How a reaction sends a command. */
export interface SendOptions {
  /**
   * Tells the commands of one rpc apart that one event leads to, by 1 to 200 visible ASCII characters, such as the id of what each is about. By
   * default they are told apart by their order, which has to be the same when the event comes again.
   */
  readonly key?: string;
  /** Reasons of refusals that are as good as success, such as `ORDER_CANCELLED` where an order is to be cancelled. */
  readonly accepts?: readonly string[];
}

/** What a reaction acts with. */
export interface ReactionTools {
  /**
   * Sends a command through the bus, as the principal `reactor <name>` with every permission, and resolves with its answer. When the event comes
   * again, a command that was done is not done again: the same answer comes,
   * or an empty one where it was erased with a person.
   *
   * Rejects when the command is refused or fails, and the reaction is to let that pass: the event is tried again, and is a dead letter in the
   * end. With `accepts` it resolves with undefined for these refusals.
   */
  readonly send: {
    <Input extends DescMessage, Output extends DescMessage>(
      method: DescMethodUnary<Input, Output>,
      request: MessageInitShape<Input>,
      options?: SendOptions & { readonly accepts?: undefined },
    ): Promise<MessageShape<Output>>;
    <Input extends DescMessage, Output extends DescMessage>(
      method: DescMethodUnary<Input, Output>,
      request: MessageInitShape<Input>,
      options: SendOptions,
    ): Promise<MessageShape<Output> | undefined>;
  };
  /** A client of a module's queries, as the same principal. It reads the primary: the event, and all before it, is there. */
  readonly ask: <Service extends DescService>(service: Service) => Client<Service>;
  /** Aborts when the service stops. The event comes again. */
  readonly signal: AbortSignal;
}

/** What a reactor does about events of one type. Made by `reaction`. */
export interface Reaction {
  readonly event: DescMessage;
  readonly react: (message: never, event: ReactedEvent, tools: ReactionTools) => Promise<unknown>;
}

/** What a service does by itself when events happen: it sends commands. Made by `reactor`. */
export interface Reactor {
  /** Names the reactor, its processor and its principal, in snake_case. */
  readonly name: string;
  /** One for each type of events that it takes. */
  readonly on: readonly Reaction[];
  /** Where a reactor that was not there before begins: with the events from then on, or with the first of all. */
  readonly from: 'now' | 'beginning';
  /** How many processors share its events, by their aggregates. One by default. */
  readonly partitions?: number;
}

/**
 * Declares what a reactor does about events of one type. Of one aggregate, the events come one after the other.
 *
 * The function may be called more than once for an event: after a failure, or when an instance stopped before it had noted that
 * the event was dealt with. Commands happen once all the same, by their keys, as long as they are the same again: what else it
 * does outside of the service, such as sending a mail, can happen twice. It keeps nothing between events.
 *
 * ```ts
 * reaction(OrderPlacedSchema, async ({ customer }, { aggregateId }, { send }) => {
 *   await send(CommandService.method.addNote, { userId: customer, text: `order ${aggregateId} is on its way` });
 * });
 * ```
 */
export function reaction<const Event extends DescMessage>(
  event: Event,
  react: (message: MessageShape<Event>, event: ReactedEvent, tools: ReactionTools) => Promise<unknown>,
): Reaction {
  return { event, react };
}

/**
 * Declares a reactor: `src/modules/<module>/reactors/<name>.ts`, listed in the `reactors` of its module. Throws when it cannot be used.
 *
 * ```ts
 * export const closeOrders = reactor({
 *   name: 'close_orders',
 *   from: 'now',
 *   on: [
 *     reaction(UserDeletedSchema, async (_, { aggregateId }, { send, ask }) => {
 *       const { orders } = await ask(QueryService).listOrders({ customer: aggregateId });
 *       for (const { id } of orders)
 *         await send(CommandService.method.cancelOrder, { orderId: id }, { key: id, accepts: ['ORDER_CANCELLED'] });
 *     }),
 *   ],
 * });
 * ```
 */
export function reactor(definition: Reactor): Reactor {
  const problems = problemsOf(definition);
  if (problems.length > 0) throw new Error(`the reactor ${definition.name} cannot be used: ${problems.join('; ')}`);
  return definition;
}

const LONGEST_NAME = 60;

function problemsOf({ name, on, partitions = 1 }: Reactor): string[] {
  const types = on.map(({ event }) => event.typeName);
  const twice = types.filter((type, index) => types.indexOf(type) !== index);
  return [
    ...(name.length <= LONGEST_NAME && /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name)
      ? []
      : [`its name has to be in snake_case, of at most ${LONGEST_NAME} characters`]),
    ...(on.length === 0 ? ['it takes no events'] : []),
    ...twice.map((type) => `it reacts to ${type} twice: make one reaction of them`),
    ...(Number.isInteger(partitions) && partitions >= 1 ? [] : ['`partitions` has to be a whole number from 1 on']),
  ];
}
