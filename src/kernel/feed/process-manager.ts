import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { holdsPersonal, holdsSecrets } from '../bus/redaction.ts';
import { problemsOf, type ReactedEvent, type ReactionTools, type Reactor } from './reactor.ts';

/** What a step of a process acts with. */
export interface ProcessTools<State extends DescMessage> extends ReactionTools {
  /** What the process remembers; undefined at first, and after its end. */
  readonly state: MessageShape<State> | undefined;
  /** Has the process remember that, and nothing else. */
  readonly setState: (state: MessageInitShape<State>) => void;
  /** Ends the process: it forgets its state and cancels its timers. */
  readonly end: () => void;
}

/** What a process does when an event of one type happens. Made by `step`. */
export interface Step<State extends DescMessage> {
  readonly event: DescMessage;
  readonly by: ((message: never, event: ReactedEvent) => string) | undefined;
  readonly react: (message: never, event: ReactedEvent, tools: ProcessTools<State>) => Promise<unknown>;
}

/** A reactor with a memory. Made by `processManager`. */
export interface ProcessManager<State extends DescMessage = DescMessage> extends Omit<Reactor, 'on'> {
  /** What a process remembers. */
  readonly state: State;
  /** One for each type of events that it takes. */
  readonly on: readonly Step<State>[];
}

/**
 * Declares what a process does when an event of one type happens. `by` returns the key of the process that the event is of, by 1 to 200 characters;
 * without it, that is the id of the event's aggregate.
 *
 * As a reaction, the function may be called more than once for an event. What it sets (`setState`, `end`, `after`, `cancel`) happens once: it commits
 * together with the note that the event was dealt with, and is forgotten when the function rejects.
 *
 * ```ts
 * step(PaymentReceivedSchema, async ({ cents }, _, { state, setState }) => {
 *   setState({ ...state, paidCents: (state?.paidCents ?? 0n) + cents });
 * }, { by: ({ orderId }) => orderId });
 * ```
 */
export function step<const Event extends DescMessage, State extends DescMessage>(
  event: Event,
  react: (message: MessageShape<Event>, event: ReactedEvent, tools: ProcessTools<State>) => Promise<unknown>,
  { by }: { readonly by?: (message: MessageShape<Event>, event: ReactedEvent) => string } = {},
): Step<State> {
  return { event, react, by };
}

/**
 * Declares a process manager: `src/modules/<module>/processes/<name>.ts`, listed in the `processes` of its module. It is a reactor that remembers:
 * what takes several events, or time, is decided here. Throws when it cannot be used.
 *
 * `state` is the type of what a process remembers: a message of the module's own. It outlives versions of the program, as events do, so it is changed
 * as they are. It holds ids and numbers: what is secret or personal is refused, because it would not be erased with a person.
 *
 * ```ts
 * export const payment = processManager(PaymentSchema, {
 *   name: 'payment',
 *   from: 'now',
 *   on: [
 *     step(OrderPlacedSchema, async ({ totalCents }, { aggregateId: orderId }, { setState, after }) => {
 *       setState({ totalCents });
 *       after({ minutes: 15 }, CommandService.method.cancelOrder, { orderId }, { key: 'unpaid', accepts: ['ORDER_PAID'] });
 *     }),
 *     step(OrderPaidSchema, async (_, __, { end }) => end()),
 *   ],
 * });
 * ```
 */
export function processManager<State extends DescMessage>(
  state: State,
  definition: Omit<ProcessManager<State>, 'state'>,
): ProcessManager {
  const { name, on, partitions = 1 } = definition;
  const isShared = partitions > 1 && on.some(({ by }) => by !== undefined);
  const problems = [
    ...problemsOf(definition),
    ...(isShared ? ['its `partitions` share events by their aggregates, so no step can have a `by`'] : []),
    ...(holdsSecrets(state) || holdsPersonal(state)
      ? [`its state ${state.typeName} has a field that is secret or personal: keep an id, and ask for the rest`]
      : []),
  ];
  if (problems.length > 0) throw new Error(`the process manager ${name} cannot be used: ${problems.join('; ')}`);
  return { ...definition, state } as unknown as ProcessManager;
}
