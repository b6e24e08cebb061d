/**
 * What a service is made with: its modules, handlers, errors and middleware, and the start. See docs/package.md.
 *
 * @module bicameral
 */
export type { Sessions } from './auth/authority.ts';
export type { Bus, Route } from './bus/bus.ts';
export type { Call } from './bus/call.ts';
export { type CommandContext, type CommandOptions, command } from './bus/command.ts';
export type { CallKind, MessageKind } from './bus/convention.ts';
export {
  Conflict,
  DatabaseUnavailable,
  DomainError,
  domainError,
  type FieldViolation,
  InvalidRequest,
  Overloaded,
} from './bus/errors.ts';
export type { AnyHandler, Exact, HandlersOf, StreamHandle, StreamHandler, UnaryHandle, UnaryHandler } from './bus/handler.ts';
export { type Middleware, middleware, type Need, type Place } from './bus/middleware.ts';
export type { ServiceHandlers } from './bus/module.ts';
export { PageTokenInvalid, type PageTokens } from './bus/page-token.ts';
export type { Principal } from './bus/principal.ts';
export { type QueryContext, type QueryOptions, query, streamQuery } from './bus/query.ts';
export { ConfigError } from './config/config-error.ts';
export { type Config, readConfig } from './config.ts';
export type { Connection } from './database/connection.ts';
export type { NamedMigration } from './database/named-migration.ts';
export { readStatements, shapedStatement } from './database/read/read-statements.ts';
export type { Reader } from './database/read/reader.ts';
export type { AggregateType, EventMessage, InlineProjection } from './database/write/aggregate-type.ts';
export type { UnitOfWork } from './database/write/unit-of-work.ts';
export type { HttpAnswer, HttpRoute } from './doors/connect/http-route.ts';
export { inProcessTransport } from './doors/in-process.ts';
export { type ProcessManager, type ProcessTools, processManager, type Step, step } from './feed/process-manager.ts';
export { type Projection, type ProjectionDefinition, type ProjectionTables, projection } from './feed/projection.ts';
export {
  type ReactedEvent,
  type Reaction,
  type ReactionTools,
  type Reactor,
  reaction,
  reactor,
  type SendOptions,
  type TimerOptions,
} from './feed/reactor.ts';
export type { Duration } from './feed/timers/duration.ts';
export type { WatchedTable } from './feed/watching/changes.ts';
export { type LiveQuery, liveQuery, type Told, type Watching } from './feed/watching/live-query.ts';
export { ResumeTokenInvalid } from './feed/watching/resume-token.ts';
export type { SnapshotPage, WatchedList } from './feed/watching/watched-list.ts';
export {
  type CommandLog,
  type CommandTools,
  defineModule,
  type Module,
  type ModuleDefinition,
  type ModuleHost,
  type ModuleServices,
  type QueryTools,
} from './module.ts';
export { type Application, type Run, type Service, startService } from './service.ts';
export type { Environment, SettingsReader } from './settings.ts';
export { createLogger, type LoggerOptions } from './telemetry/logger.ts';
