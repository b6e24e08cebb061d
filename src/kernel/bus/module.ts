import type { DescService } from '@bufbuild/protobuf';
import type { Call } from './call.ts';
import type { AnyHandler } from './handler.ts';

/** A service with its handlers. */
export interface ServiceHandlers<C = never> {
  readonly service: DescService;
  readonly handlers: Readonly<Record<string, AnyHandler<C>>>;
}

/** What the bus needs of a module to serve it. An application writes `defineModule` of src/kernel/module.ts. */
export interface BusModule {
  readonly name: string;
  readonly services: readonly ServiceHandlers[];
  /** Makes what this module's handlers are given, for one call. */
  readonly context: (call: Call) => unknown;
}

/** A module of handlers and contexts alone: without state, and so without anything of the kernel but the bus. */
export function busModule<Command, Query>(module: {
  readonly name: string;
  readonly services: readonly ServiceHandlers<Command & Query>[];
  readonly commandContext: (call: Call) => Command;
  readonly queryContext: (call: Call) => Query;
}): BusModule {
  const { name, services, commandContext, queryContext } = module;
  return {
    name,
    services,
    context: (call) => (call.method.parent.name === 'CommandService' ? commandContext(call) : queryContext(call)),
  };
}
