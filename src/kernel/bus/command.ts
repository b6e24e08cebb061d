import type { DescMethod, DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { Result } from 'neverthrow';
import type { DomainError } from './errors.ts';
import type { Exact, UnaryHandler } from './handler.ts';
import type { ServiceHandlers } from './module.ts';
import type { Principal } from './principal.ts';

/**
 * What every command handler is given; a module adds its repositories.
 * Time and ids come from here and from nowhere else, so that a recorded command can be run again with the same result.
 */
export interface CommandContext {
  readonly principal: Principal;
  /** The time of the command, the same at every call. */
  readonly now: Date;
  /** A new UUIDv7 (RFC 9562). */
  readonly newId: () => string;
  readonly signal: AbortSignal;
}

/**
 * Joins a handler to the command it executes.
 *
 * The handler decides by the request and the state, changes one aggregate at most or those that it declares, and answers. Its changes are kept when it
 * returns `Ok` and forgotten when it returns `Err` or throws. It may run more than once when commands collide, so it has no effect
 * of its own: it opens no transaction, publishes nothing, calls no network, and reads no clock.
 *
 * ```ts
 * export const changeName = command(CommandService.method.changeName, async (request, { users, now }: UsersContext) => { … });
 * ```
 */
export function command<
  M extends DescMethodUnary,
  C extends CommandContext,
  A extends MessageInitShape<M['output']> = MessageInitShape<M['output']>,
>(
  method: M,
  handle: (request: MessageShape<M['input']>, context: C) => Promise<Result<Exact<A, M['output']>, DomainError>>,
  options: CommandOptions = {},
): UnaryHandler<M, C> {
  return { method, handle, ...options };
}

/** What a command declares about itself. */
export interface CommandOptions {
  /**
   * The types of the aggregates that the command may change, what it is about first, e.g. `['orders.v1.Order', 'orders.v1.Stock']`: each
   * is versioned, and all are stored or none. Without it a command changes one aggregate.
   */
  readonly changes?: readonly string[];
}

/** Which commands may change more than one aggregate, and which. */
export type DeclaredChanges = ReadonlyMap<DescMethod, readonly string[]>;

/** What the commands of these modules declare. */
export function declaredChanges(modules: readonly { readonly services: readonly ServiceHandlers[] }[]): DeclaredChanges {
  const handlers = modules.flatMap(({ services }) => services.flatMap((service) => Object.values(service.handlers)));
  return new Map(handlers.flatMap(({ method, changes }) => (changes ? [[method, changes] as const] : [])));
}
