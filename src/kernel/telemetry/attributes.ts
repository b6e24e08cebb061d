/**
 * Every attribute that a span of this program can have, and the only names it can have: `SpanAttributes` takes no other. Beside each, why
 * it is there and how many values it can take; docs/tracing.md has them as a table. None is a payload, an e-mail address, a name, a
 * password or a token.
 *
 * What is not `cqrs.…` is named by the semantic conventions of OpenTelemetry 1.45, and means what they say.
 */
export const ATTRIBUTE = {
  /** Which protocol the caller speaks: finds what is slow over one of them. 2 values: `grpc`, `connectrpc`. */
  rpcSystem: 'rpc.system.name',
  /** What was called: `users.v1.CommandService/CreateUser`. As many as there are rpcs. */
  rpcMethod: 'rpc.method',
  /** How the call ended for its caller: `OK`, `NOT_FOUND`. 17 values, those of gRPC. */
  rpcStatusCode: 'rpc.status_code',
  /** What a failure was: the code of the call, the SQLSTATE of a statement, the reason of a refusal. Some hundred values, all written in code. */
  errorType: 'error.type',
  /** Where the call came from, as on the record of a command. Without bound. */
  peerAddress: 'network.peer.address',
  peerPort: 'network.peer.port',
  /** Which service a client calls: the address it was configured with. Few. */
  serverAddress: 'server.address',
  serverPort: 'server.port',
  /** Marks the span of a statement for tools that know databases. 1 value: `postgresql`. */
  dbSystem: 'db.system.name',
  /** The database that the statement ran in: tells installations apart that share a server. One a service. */
  dbNamespace: 'db.namespace',
  /** What the statement does to which tables, `SELECT users.user`; also the name of its span. As many as there are statements in the code. */
  dbQuerySummary: 'db.query.summary',
  /** The text of the statement, to run it under EXPLAIN. Values are bound and never in it. As many as there are statements in the code. */
  dbQueryText: 'db.query.text',
  /** The SQLSTATE of a statement that failed. Some hundred, those of PostgreSQL. */
  dbStatusCode: 'db.response.status_code',
  /** Whose connections were used or waited for: `bicameral commands`. Under ten, and two for each replica. */
  dbPool: 'db.client.connection.pool.name',

  /** Which door the call came through: `grpc`, `connect`, `in-process`. 3 values. */
  door: 'cqrs.door',
  /** The record of the command, in the log of commands, in its events and in `cqrs-command-id`. One a command. */
  commandId: 'cqrs.command_id',
  /** Which try of the command this is, or, at the call, how many it took: collisions show here. 1 to 10. */
  attempt: 'cqrs.attempt',
  /** The answer was given before, under the same idempotency key. `true`, or absent. */
  replayed: 'cqrs.replayed',
  /** Everything was rolled back, as the caller wished. `true`, or absent. */
  dryRun: 'cqrs.dry_run',
  /** How the call ended, in the words of the log of commands: `succeeded`, `rejected`, `denied`, `throttled`. Under ten values. */
  outcome: 'cqrs.outcome',
  /** Why it was refused: the `reason` of the error, as in docs/errors.md. As many as that page has. */
  reason: 'cqrs.reason',
  /** Which database answered a query: `primary`, `replica-1`. One for each database. */
  servedBy: 'cqrs.served_by',
  /** How many messages a stream has sent. Without bound. */
  messages: 'cqrs.stream.messages',
  /** What kind of thing the command changed or looked at: `users.v1.User`. As many as there are aggregates. */
  aggregateType: 'cqrs.aggregate.type',
  /** Which one. Without bound. */
  aggregateId: 'cqrs.aggregate.id',
  /** Its version after the command, or the one that was looked at. Without bound. */
  aggregateVersion: 'cqrs.aggregate.version',
  /** How long a password waited for its turn to be hashed, in milliseconds: a full queue is no slow machine. Without bound. */
  hashWait: 'cqrs.hash.wait_ms',
  /** How many records a round of the sealer sealed. Without bound. */
  sealed: 'cqrs.seal.records',
  /** How many records of commands were stored together. 1 to 500. */
  records: 'cqrs.record.count',
  /** Which reactor reacts. As many as there are reactors. */
  reactor: 'cqrs.reactor',
  /** The event to which it reacts: of its command's record, the `causation_id`. One an event. */
  eventId: 'cqrs.event.id',
  /** The timer whose command is sent. One a timer. */
  timerId: 'cqrs.timer.id',
  /** `orders.v1.OrderPlaced`. As many as there are types of events. */
  eventType: 'cqrs.event.type',
  /** Its number in the feed. One an event. */
  eventSequence: 'cqrs.event.sequence',
} as const;

/** Attributes of a span, by their names in `ATTRIBUTE`. */
export type SpanAttributes = {
  readonly [Name in (typeof ATTRIBUTE)[keyof typeof ATTRIBUTE]]?: string | number | boolean | undefined;
};
