import { createRegistry, type DescMethod, type DescService, type Registry } from '@bufbuild/protobuf';
import { NO_SESSIONS, type Sessions } from '../auth/authority.ts';
import { accessRule } from '../bus/access.ts';
import type { Call } from '../bus/call.ts';
import type { CommandContext } from '../bus/command.ts';
import { principalOf } from '../bus/context-keys.ts';
import { messageKind } from '../bus/convention.ts';
import type { BusModule } from '../bus/module.ts';
import type { Principal } from '../bus/principal.ts';
import type { QueryContext } from '../bus/query.ts';
import type { ReadPool } from '../database/read/read-side.ts';
import { Reader, readerKey } from '../database/read/reader.ts';
import type { AggregateType } from '../database/write/aggregate-type.ts';
import { erasureOf } from '../database/write/personal-data.ts';
import type { KeptProjection } from '../database/write/statement-check.ts';
import { unitOfWorkKey } from '../database/write/unit-of-work.ts';
import type { Owners } from '../middleware/authorization.ts';
import type { CommandTools, Module, ModuleHost, OwnerTools, QueryTools } from '../module.ts';

/** The modules of a service, started. */
export interface StartedModules {
  readonly owners: Owners;
  readonly modules: readonly BusModule[];
  readonly sessions: Sessions;
}

/** How the unit of work keeps the aggregates of all modules. */
export const aggregateTypesOf = (modules: readonly Module[]): AggregateType<object>[] =>
  modules.flatMap(({ aggregates = [] }) => aggregates as unknown as AggregateType<object>[]);

/** What modules erase when a person is deleted. */
export const erasuresOf = (modules: readonly Module[]): string[] =>
  modules.flatMap(({ personalData }) => (personalData ? erasureOf(personalData) : []));

/** The projections that follow the feed, each with the module that lists it. */
export const projectionsOf = (modules: readonly Module[]): KeptProjection[] =>
  modules.flatMap(({ name, projections = [] }) => projections.map((projection) => ({ projection, module: name })));

/** The types of all events that modules store. */
export const eventTypesOf = (modules: readonly Module[]): Registry =>
  createRegistry(...modules.flatMap(({ events = [] }) => events));

/** Starts the modules in the order of their list. `settings` are those that `readConfig` read for them, by the names of the modules. */
export async function startModules(
  modules: readonly Module[],
  { host, settings, primary }: { host: ModuleHost; settings: Readonly<Record<string, unknown>>; primary: ReadPool },
): Promise<StartedModules> {
  const started: BusModule[] = [];
  const owners = new Map<DescService, { readonly field: Owner; readonly parts: unknown }>();
  let sessions = NO_SESSIONS;
  for (const module of modules) {
    const parts = await module.start?.(host, settings[module.name] as never);
    started.push(served(module, parts));
    for (const { service } of module.services) owners.set(service, { field: (module.owner ?? {}) as Owner, parts });
    if (module.sessions) sessions = module.sessions(parts as never);
  }
  return { modules: started, sessions, owners: (method) => ownerOf(method, owners.get(method.parent), primary) };
}

type Owner = Readonly<Record<string, (name: string, tools: OwnerTools<unknown>) => Promise<string | undefined>>>;

function ownerOf(
  method: DescMethod,
  module: { readonly field: Owner; readonly parts: unknown } | undefined,
  primary: ReadPool,
): ReturnType<Owners> {
  const find = module?.field[accessRule(method)?.owner ?? ''];
  return find && ((name, call) => find(name, { read: new Reader(primary, call.cancellation), parts: module.parts }));
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
