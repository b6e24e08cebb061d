import { createRegistry, type Registry } from '@bufbuild/protobuf';
import { NO_SESSIONS, type Sessions } from '../auth/authority.ts';
import type { Call } from '../bus/call.ts';
import type { CommandContext } from '../bus/command.ts';
import { principalOf } from '../bus/context-keys.ts';
import { messageKind } from '../bus/convention.ts';
import type { BusModule } from '../bus/module.ts';
import type { Principal } from '../bus/principal.ts';
import type { QueryContext } from '../bus/query.ts';
import { readerKey } from '../database/read/reader.ts';
import type { AggregateType } from '../database/write/aggregate-type.ts';
import { unitOfWorkKey } from '../database/write/unit-of-work.ts';
import type { CommandTools, Module, ModuleHost, QueryTools } from '../module.ts';

/** The modules of a service, started. */
export interface StartedModules {
  readonly modules: readonly BusModule[];
  readonly sessions: Sessions;
}

/** How the unit of work keeps the aggregates of all modules. */
export const aggregateTypesOf = (modules: readonly Module[]): AggregateType<object>[] =>
  modules.flatMap(({ aggregates = [] }) => aggregates as unknown as AggregateType<object>[]);

/** The types of all events that modules store. */
export const eventTypesOf = (modules: readonly Module[]): Registry =>
  createRegistry(...modules.flatMap(({ events = [] }) => events));

/** Starts the modules in the order of their list. `settings` are those that `readConfig` read for them, by the names of the modules. */
export async function startModules(
  modules: readonly Module[],
  { host, settings }: { host: ModuleHost; settings: Readonly<Record<string, unknown>> },
): Promise<StartedModules> {
  const started: BusModule[] = [];
  let sessions = NO_SESSIONS;
  for (const module of modules) {
    const parts = await module.start?.(host, settings[module.name] as never);
    started.push(served(module, parts));
    if (module.sessions) sessions = module.sessions(parts as never);
  }
  return { modules: started, sessions };
}

function served(module: Module, parts: unknown): BusModule {
  // What a module may leave out has no context of its own.
  const commandContext = (module.commandContext ?? none) as (base: CommandContext, tools: CommandTools<unknown>) => object;
  const queryContext = (module.queryContext ?? none) as (base: QueryContext, tools: QueryTools<unknown>) => object;
  return {
    name: module.name,
    services: module.services,
    context: (call) => {
      if (messageKind(call.method.parent) === 'command') {
        const work = call.contextValues.get(unitOfWorkKey);
        if (!work) throw new Error('the pipeline has no unit of work');
        const base = new BaseCommandContext(call);
        return Object.assign(base, commandContext(base, { work, parts, call }));
      }
      const read = call.contextValues.get(readerKey);
      if (!read) throw new Error('the pipeline chose no database');
      const base = new BaseQueryContext(call);
      return Object.assign(base, queryContext(base, { read, parts, call }));
    },
  };
}

const none = (): object => ({});

/** The signal is made when a handler asks for it. */
class BaseQueryContext implements QueryContext {
  readonly principal: Principal;
  readonly #call: Call;

  constructor(call: Call) {
    this.principal = principalOf(call);
    this.#call = call;
  }

  get signal(): AbortSignal {
    return this.#call.signal;
  }
}

class BaseCommandContext extends BaseQueryContext implements CommandContext {
  readonly now: Date;
  readonly newId: () => string;

  constructor(call: Call) {
    super(call);
    this.now = call.receivedAt;
    this.newId = call.newId;
  }
}
