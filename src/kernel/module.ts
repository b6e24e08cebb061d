import type { DescFile, DescService, Registry } from '@bufbuild/protobuf';
import type { Client } from '@connectrpc/connect';
import type { EntitySchema } from '@mikro-orm/core';
import type { Logger } from 'pino';
import type { Sessions } from './auth/authority.ts';
import type { KeyRing } from './auth/key-ring.ts';
import type { DeriveDigestKey } from './auth/known-keys.ts';
import type { SecretHasher } from './auth/secret-hasher.ts';
import type { Route } from './bus/bus.ts';
import type { Call } from './bus/call.ts';
import type { CommandContext } from './bus/command.ts';
import type { AnyHandler } from './bus/handler.ts';
import type { ServiceHandlers } from './bus/module.ts';
import type { PageTokens } from './bus/page-token.ts';
import type { QueryContext } from './bus/query.ts';
import type { Rerun } from './command-log/rerun/command-to-rerun.ts';
import type { NotSealed, Pruned, Query } from './command-log/seals/prune.ts';
import type { Verify } from './command-log/seals/verify/verifications.ts';
import type { MarkHolder } from './database/mark-holder.ts';
import type { NamedMigration } from './database/named-migration.ts';
import type { ConnectionPool } from './database/pool.ts';
import type { DatabaseState, ReadPool } from './database/read/read-side.ts';
import type { Reader } from './database/read/reader.ts';
import type { AggregateType } from './database/write/aggregate-type.ts';
import type { PersonalData } from './database/write/personal-data.ts';
import type { UnitOfWork } from './database/write/unit-of-work.ts';
import type { DeclaredProjection } from './feed/declared-projections.ts';
import type { FeedNews } from './feed/news.ts';
import type { ProcessManager } from './feed/process-manager.ts';
import type { Projection } from './feed/projection.ts';
import type { Reactor } from './feed/reactor.ts';
import type { SettingsReader } from './settings.ts';

/** The services of a module with their handlers: `services.ts` of its folder, which `npm run generate` writes. */
export type ModuleServices = readonly (ServiceHandlers & { readonly kind: 'command' | 'query' })[];

/** What the handlers of a kind ask for, all of them together. */
type ContextOf<Services extends ModuleServices, Kind> = {
  [Index in keyof Services]: Services[Index] extends { readonly kind: Kind; readonly handlers: infer Handlers }
    ? Handlers[keyof Handlers] extends AnyHandler<infer Context>
      ? (context: Context) => void
      : never
    : never;
}[number] extends (context: infer Context) => void
  ? Context
  : never;

/** What a module adds to the context that the kernel gives every handler. */
type Added<Context, Base> = Omit<Context, keyof Base>;
type CommandAdds<Services extends ModuleServices> = Added<ContextOf<Services, 'command'>, CommandContext>;
type QueryAdds<Services extends ModuleServices> = Added<ContextOf<Services, 'query'>, QueryContext>;

/** A context is left out only where no handler asks for more than the kernel gives. */
type Needed<Name extends string, Adds> = object extends Adds ? unknown : { readonly [Key in Name]: unknown };

/** The log of commands, for a module that shows it. */
export interface CommandLog {
  /** Reads the primary. */
  readonly verify: Verify;
  /** Removes months of the log in the transaction that the statements run in: see `pruneLog`. */
  readonly prune: (query: Query, range: { before: Date; now: Date }) => Promise<Pruned | NotSealed>;
  /** The rpc with that name. Asked when it is called: the bus is made after its modules. */
  readonly route: (method: string) => Route | undefined;
  readonly rerun: Rerun;
  /** The transaction that keeps it from being sealed any further, if one does: see `MarkWatch`. */
  readonly heldUpBy: () => MarkHolder | undefined;
}

/** What the kernel gives a module that starts. */
export interface ModuleHost {
  /** The name of the service that the module is part of. */
  readonly service: string;
  /** The roles that the application names. */
  readonly roles: readonly string[];
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly keys: {
    /** The keys that sign. */
    readonly ring: KeyRing;
    /** For digests that are found again after a rotation; the same on every instance. */
    readonly digestKey: DeriveDigestKey;
    readonly pageTokens: PageTokens;
  };
  /** Hashes what must not be fast to try out. */
  readonly secrets: SecretHasher;
  /** Digests of what is guessed at, as the guess limits of the contract count it. */
  readonly guessTarget: (kind: string, ...names: readonly string[]) => Buffer;
  readonly databases: {
    /** The primary as a role that cannot write, for what must not be read late. */
    readonly primary: ReadPool;
    /** The connection that the primary is watched by: no query keeps it busy. For short statements. */
    readonly watching: ConnectionPool;
    /** How this instance sees each database now; the primary first. */
    readonly states: () => readonly DatabaseState[];
  };
  /** Every projection of all modules, by its name. */
  readonly projections: ReadonlyMap<string, DeclaredProjection>;
  /** The types of all events that modules store. */
  readonly eventTypes: Registry;
  /** What this instance knows of the end of the feed, and when that grows. */
  readonly news: FeedNews;
  readonly log: CommandLog;
  /**
   * A client of another module's queries, in this process: by its contract, without an import of the module. It asks as this service, with
   * every permission. Not while modules start.
   */
  readonly ask: <Service extends DescService>(service: Service) => Client<Service>;
  /** Removes rows that have run out, again and again: see `startSweeps`. */
  readonly sweep: (name: string, sweep: (pool: Pick<ConnectionPool, 'query'>) => Promise<unknown>) => void;
  /** Is called when the service stops, in reverse order. It has three seconds. */
  readonly onStop: (name: string, stop: () => Promise<unknown>) => void;
}

/** What the contexts of a command are made with. */
export interface CommandTools<Parts> {
  /** The transaction of the command, for repositories. */
  readonly work: UnitOfWork;
  /** What `start` returned. */
  readonly parts: Parts;
  readonly call: Call;
}

/** What the contexts of a query are made with. */
export interface QueryTools<Parts> {
  /** Reads the database that was chosen for the query. */
  readonly read: Reader;
  /** What `start` returned. */
  readonly parts: Parts;
  readonly call: Call;
}

/** What a module tells an owner with. */
export interface OwnerTools<Parts> {
  /** Reads the primary: what was just made need not be on a replica. */
  readonly read: Reader;
  /** What `start` returned. */
  readonly parts: Parts;
}

/** Everything that the program knows of a module: see `defineModule`. */
export interface ModuleDefinition<Services extends ModuleServices, Settings, Parts> {
  /** Names its folder, its schema and its part of the settings. */
  readonly name: string;
  readonly services: Services;
  /** What may be permitted, and what it permits in words. Access rules of contracts name these; roles of the application hold them. */
  readonly permissions?: Readonly<Record<string, string>>;
  /** How the unit of work keeps its aggregates. */
  readonly aggregates?: readonly AggregateType<never>[];
  /** What its scripts work on by MikroORM's EntityManager, beside its aggregates and what these refer to: see `UnitOfWork.manager`. */
  readonly entities?: readonly EntitySchema[];
  /** The files with the messages of its events. */
  readonly events?: readonly DescFile[];
  /** Its async projections: read models that follow the feed. Those that are kept with the command are listed by their aggregate. */
  readonly projections?: readonly Projection[];
  /** What it does when events happen, be they its own or another module's: it sends commands. See `reactor`. */
  readonly reactors?: readonly Reactor[];
  /** What it does when several events have happened, or when time is over: reactors that remember. See `processManager`. */
  readonly processes?: readonly ProcessManager[];
  /** The changes of its schema, oldest first. They are never edited once they have shipped. */
  readonly migrations?: readonly NamedMigration[];
  /** What it reads of the environment, once, before anything is started. What is wrong is told together with everything else. */
  readonly settings?: (environment: SettingsReader) => Settings;
  /** Makes what it needs at run time. Called once, when the databases are open. */
  readonly start?: (host: ModuleHost, settings: Settings) => Parts | Promise<Parts>;
  /** Of the module that keeps accounts: what is known of them and of their sessions. */
  readonly sessions?: (parts: Parts) => Sessions;
  /**
   * Whose it is what a request names, for access rules of the kind `owner`: by the name of the field that the rule names, a function from
   * its value to the id of the user. Undefined for what does not exist.
   */
  readonly owner?: Readonly<Record<string, (name: string, tools: OwnerTools<Parts>) => Promise<string | undefined>>>;
  /** What of its data goes when a person is deleted. */
  readonly personalData?: PersonalData;
  /** What its command handlers ask for besides CommandContext. */
  readonly commandContext?: (base: CommandContext, tools: CommandTools<Parts>) => CommandAdds<Services>;
  /** What its query handlers ask for besides QueryContext. */
  readonly queryContext?: (base: QueryContext, tools: QueryTools<Parts>) => QueryAdds<Services>;
}

/** A module, whatever it is made of. */
export type Module = ModuleDefinition<ModuleServices, never, never>;

/**
 * Declares a module: the unit of extension. An application lists it in its `app.ts`, and nothing else names it.
 *
 * The contexts hold what the handlers ask for: one that is missing, such as `read` of a command handler, is a compile error here.
 *
 * ```ts
 * export const orders = defineModule({
 *   name: 'orders',
 *   services,
 *   aggregates: [OrderType],
 *   events: [file_orders_v1_events],
 *   commandContext: (base, { work }) => ({ ...base, orders: orderRepository(work) }),
 *   queryContext: (base, { read }) => ({ ...base, read }),
 * });
 * ```
 */
export function defineModule<const Services extends ModuleServices, Settings = undefined, Parts = undefined>(
  definition: ModuleDefinition<Services, Settings, Parts> &
    Needed<'commandContext', CommandAdds<Services>> &
    Needed<'queryContext', QueryAdds<Services>>,
): Module {
  return definition as unknown as Module;
}
