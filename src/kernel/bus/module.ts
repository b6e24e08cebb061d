import type { DescService } from '@bufbuild/protobuf';
import type { Call } from './call.ts';
import type { AnyHandler } from './handler.ts';

/** A service with its handlers, as listed in src/modules/<module>/services.ts. */
export interface ServiceHandlers<C = never> {
  readonly service: DescService;
  readonly handlers: Readonly<Record<string, AnyHandler<C>>>;
}

/** A part of the program with its own services: what the bus needs to serve them. */
export interface Module {
  readonly name: string;
  readonly services: readonly ServiceHandlers[];
  /** Makes what this module's handlers are given, for one call. */
  readonly context: (call: Call) => unknown;
}

/** Checks that a module gives its handlers the contexts they ask for. */
export function defineModule<Command, Query>(module: {
  readonly name: string;
  readonly services: readonly ServiceHandlers<Command & Query>[];
  readonly commandContext: (call: Call) => Command;
  readonly queryContext: (call: Call) => Query;
}): Module {
  const { name, services, commandContext, queryContext } = module;
  return {
    name,
    services,
    context: (call) => (call.method.parent.name === 'CommandService' ? commandContext(call) : queryContext(call)),
  };
}
