import type { DescMessage, DescMethodUnary, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { Client } from '@connectrpc/connect';
import type { Duration } from './timers/duration.ts';

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

/** How a reaction has a command sent later. */
export interface TimerOptions {
  /**
   * Names the timer beside the others of the same aggregate, or of the same process, by 1 to 200 characters: `cancel` takes it, and a timer
   * that is set again by its key replaces the one before. Without it a timer stands for itself, and cannot be cancelled by its key.
   */
  readonly key?: string;
  /** Reasons of refusals that are as good as success: see `SendOptions`. The command may come when its time is over, such as for an order that was just paid. */
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
  /**
   * Has a command sent when the time is over, counted from the moment of the event: once, by any instance, whatever became of this one. It is set in
   * the same transaction that notes that the event was dealt with, and not at all when the reaction rejects.
   *
   * The command is sent as by `send`, with this event as its cause. A refusal that it does not accept is tried three times, and then the
   * timer stands as failed until somebody has it tried again or cancels it.
   *
   * The request is stored until then: it cannot hold secrets or personal data. Throws for what could not be sent once.
   *
   * ```ts
   * after({ minutes: 15 }, CommandService.method.cancelOrder, { orderId }, { key: 'payment', accepts: ['ORDER_PAID'] });
   * ```
   */
  readonly after: <Input extends DescMessage, Output extends DescMessage>(
    duration: Duration,
    method: DescMethodUnary<Input, Output>,
    request: MessageInitShape<Input>,
    options?: TimerOptions,
  ) => void;
  /**
   * Cancels the timer of that key, of the same aggregate or process, if there is one. A command that is being sent at that moment may still be
   * done: its handler has to decide.
   */
  readonly cancel: (key: string) => void;
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

/** Why it cannot be used, in words; empty when it can. */
export function problemsOf({
  name,
  on,
  partitions = 1,
}: Pick<Reactor, 'name' | 'partitions'> & { readonly on: readonly { readonly event: DescMessage }[] }): string[] {
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
