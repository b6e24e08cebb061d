import type { DescMethod, DescMethodServerStreaming, DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { Result } from 'neverthrow';
import type { DomainError } from './errors.ts';
import type { Exact, ReadProjection, StreamHandler, UnaryHandler } from './handler.ts';
import type { ServiceHandlers } from './module.ts';
import type { Principal } from './principal.ts';

/** What every query handler is given; a module adds its read-only database handle. */
export interface QueryContext {
  readonly principal: Principal;
  readonly signal: AbortSignal;
}

/**
 * Joins a handler to the query it answers. It reads named columns of one read model on the connection that was chosen for it.
 *
 * ```ts
 * export const getOrder = query(QueryService.method.getOrder, async ({ orderId }, { read }: OrdersQueryContext) => {
 *   const row = await read.row(byId, [orderId]);
 *   return row ? ok({ order: toOrder(row) }) : err(new OrderNotFound(orderId));
 * });
 * ```
 */
export function query<
  M extends DescMethodUnary,
  C extends QueryContext,
  A extends MessageInitShape<M['output']> = MessageInitShape<M['output']>,
>(
  method: M,
  handle: (request: MessageShape<M['input']>, context: C) => Promise<Result<Exact<A, M['output']>, DomainError>>,
  options: QueryOptions = {},
): UnaryHandler<M, C> {
  return { method, handle, ...options };
}

/** What a query declares about itself. */
export interface QueryOptions {
  /** The async projections whose tables it reads: these follow the events and can be behind what commands have answered. */
  readonly projections?: readonly ReadProjection[];
}

/** Which queries read async projections, and which. */
export type DeclaredReads = ReadonlyMap<DescMethod, readonly ReadProjection[]>;

/** What the queries of these modules declare. */
export function declaredReads(modules: readonly { readonly services: readonly ServiceHandlers[] }[]): DeclaredReads {
  const handlers = modules.flatMap(({ services }) => services.flatMap((service) => Object.values(service.handlers)));
  return new Map(handlers.flatMap(({ method, projections }) => (projections ? [[method, projections] as const] : [])));
}

/**
 * Joins a handler to a query with a stream of answers.
 *
 * ```ts
 * export const watchOrders = streamQuery(QueryService.method.watchOrders, async function* (_, { feed, signal }: OrdersQueryContext) {
 *   for await (const order of feed.follow(signal)) yield { order };
 * });
 * ```
 */
export function streamQuery<
  M extends DescMethodServerStreaming,
  C extends QueryContext,
  A extends MessageInitShape<M['output']> = MessageInitShape<M['output']>,
>(
  method: M,
  handle: (request: MessageShape<M['input']>, context: C) => AsyncIterable<Exact<A, M['output']>>,
): StreamHandler<M, C> {
  return { method, handle };
}
