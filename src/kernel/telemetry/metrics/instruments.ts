import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { BoundHistogram } from './bound-histogram.ts';

/** Of calls, in seconds: 1 ms to 10 s, with edges at the targets of 100 ms for queries and 500 ms for commands. */
const CALL_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** `rpc.server.call.duration` by the semantic conventions of OpenTelemetry, 1.45. */
const RPC_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const STATEMENT_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
const ROUND_SECONDS = [0.005, 0.025, 0.1, 0.25, 1, 5, 30];

/** How the values of several processes of one instance become one: see prom-client's aggregators. */
type Aggregator = 'sum' | 'max' | 'min' | 'first';

export type Instruments = ReturnType<typeof createInstruments>;

/**
 * Every metric of the program, by name: what docs/metrics.md lists. No label holds an id, an address or anything that a caller wrote, so
 * that the number of series is bounded by the program itself.
 *
 * The four of ADR-020 are named exactly as it names them.
 */
export function createInstruments(version = '') {
  // The kind that takes exemplars; pages of either kind are made of what it holds.
  const registry = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  const registers = [registry];

  const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[] = []): Counter<Label> =>
    new Counter({ name, help, labelNames: [...labelNames], registers });
  const gauge = <Label extends string>(
    name: string,
    help: string,
    { labelNames = [], aggregator = 'sum' }: { labelNames?: readonly Label[]; aggregator?: Aggregator } = {},
  ): Gauge<Label> => new Gauge({ name, help, labelNames: [...labelNames], registers, aggregator });
  const histogram = <Label extends string>(
    name: string,
    help: string,
    { buckets, labelNames = [] }: { buckets: readonly number[]; labelNames?: readonly Label[] },
  ): Histogram<Label> =>
    new Histogram({ name, help, labelNames: [...labelNames], buckets: [...buckets], registers, enableExemplars: true });

  const bound = <Label extends string>(
    name: string,
    help: string,
    { buckets, labelNames }: { buckets: readonly number[]; labelNames: readonly Label[] },
  ): BoundHistogram<Label> => new BoundHistogram({ name, help, labelNames, buckets, registry });

  const ofCalls = { labelNames: ['method', 'code'] as const, buckets: CALL_SECONDS };
  const commandSeconds = bound('cqrs_command_duration_seconds', 'From the arrival of a command to its answer.', ofCalls);
  commandSeconds.counter({ name: 'cqrs_command_total', help: 'Commands that ended.', registry });
  const querySeconds = bound(
    'cqrs_query_duration_seconds',
    'From the arrival of a query to its answer; of a stream, to its first message.',
    ofCalls,
  );
  querySeconds.counter({
    name: 'cqrs_query_total',
    help: 'Queries that ended; streams when their reader left or they failed.',
    registry,
  });
  const instruments = {
    registry,
    commandSeconds,
    querySeconds,
    rpcSeconds: bound(
      'rpc_server_call_duration_seconds',
      'OpenTelemetry rpc.server.call.duration: whole calls, streams to their end.',
      { labelNames: ['rpc_system_name', 'rpc_method', 'rpc_status_code', 'error_type'], buckets: RPC_SECONDS },
    ),
    errors: counter('cqrs_error_total', 'Calls that failed, by the reason of their ErrorInfo.', ['kind', 'reason']),
    inFlight: gauge('cqrs_in_flight', 'Calls under way.', { labelNames: ['kind'] }),
    inFlightLimit: gauge(
      'cqrs_in_flight_limit',
      'Calls that may be under way: LIMIT_COMMANDS_IN_FLIGHT, LIMIT_QUERIES_IN_FLIGHT, LIMIT_STREAMS; fewer in a storm.',
      {
        labelNames: ['kind'],
      },
    ),
    shed: counter('cqrs_shed_total', 'Calls refused because too many were under way.', ['kind']),
    retries: counter('cqrs_command_retries_total', 'Attempts of commands after the first: another command was faster.', [
      'method',
    ]),
    conflicts: counter('cqrs_command_conflicts_total', 'Commands that gave up after losing against others again and again.', [
      'method',
    ]),
    replayed: counter(
      'cqrs_command_replayed_total',
      'Commands answered with what they were answered before, by their idempotency key.',
      ['method'],
    ),
    dryRuns: counter('cqrs_command_dry_run_total', 'Commands that were rehearsed.', ['method']),
    guessesThrottled: counter('cqrs_guesses_throttled_total', 'Guesses at a secret that were refused.', ['method']),
    served: counter('cqrs_query_served_total', 'Queries by the database that answered them.', ['database']),
    fallbacks: counter(
      'cqrs_query_fallback_total',
      'Times that a query left a database that could not answer it, or did not have what it asked for.',
      ['database'],
    ),
    tokenReads: counter(
      'cqrs_query_token_total',
      'Queries with a consistency token: known (a replica had what it tells of), waited (it had it in a moment), primary (none had it in time).',
      ['outcome'],
    ),
    queryCache: counter(
      'cqrs_query_cache_total',
      'Queries whose answers may be kept, by how they found theirs: hit, shared with a call that was reading it, miss, stale.',
      ['method', 'result'],
    ),
    queryCacheBytes: gauge('cqrs_query_cache_bytes', 'Memory that answers take which are kept, about.'),
    databaseUp: gauge('cqrs_database_up', 'Whether the database answers and, a replica, is fresh enough to be read: 1 or 0.', {
      labelNames: ['database'],
      aggregator: 'min',
    }),
    replicaLagBytes: gauge('cqrs_replica_lag_bytes', 'WAL that the primary has written and the replica has not applied.', {
      labelNames: ['database'],
      aggregator: 'max',
    }),
    replicaLagSeconds: gauge(
      'cqrs_replica_lag_seconds',
      'For how long the replica has been behind what the primary had written.',
      {
        labelNames: ['database'],
        aggregator: 'max',
      },
    ),
    poolConnections: gauge('cqrs_pool_connections', 'Connections that are open.', { labelNames: ['pool', 'state'] }),
    poolLimit: gauge('cqrs_pool_limit', 'Connections that may be open.', { labelNames: ['pool'] }),
    poolWaiting: gauge('cqrs_pool_waiting', 'Calls that wait for a connection.', { labelNames: ['pool'] }),
    poolWaitSeconds: bound('cqrs_pool_wait_seconds', 'How long calls waited for a connection.', {
      labelNames: ['pool'],
      buckets: STATEMENT_SECONDS,
    }),
    statementSeconds: bound('cqrs_statement_duration_seconds', 'From sending a statement to its answer.', {
      labelNames: ['pool', 'statement'],
      buckets: STATEMENT_SECONDS,
    }),
    statementErrors: counter(
      'cqrs_statement_errors_total',
      'Statements that failed, by SQLSTATE; `connection` where there is none.',
      ['pool', 'sqlstate'],
    ),
    hashWaiting: gauge('cqrs_password_hash_waiting', 'Passwords that wait to be hashed.'),
    hashRunning: gauge('cqrs_password_hash_running', 'Passwords that are being hashed.'),
    unsealedRecords: gauge('cqrs_log_unsealed_records', 'Records of the command log without a seal; counted up to 100,000.', {
      aggregator: 'max',
    }),
    unsealedSeconds: gauge('cqrs_log_unsealed_age_seconds', 'Age of the oldest record without a seal.', { aggregator: 'max' }),
    sealRounds: counter('cqrs_seal_rounds_total', 'Rounds of sealing: ok, failed.', ['outcome']),
    sealSeconds: histogram('cqrs_seal_round_duration_seconds', 'How long rounds of sealing took.', { buckets: ROUND_SECONDS }),
    sealed: counter('cqrs_sealed_records_total', 'Records that this instance sealed.'),
    heldUpSeconds: gauge(
      'cqrs_log_held_up_seconds',
      'For how long one transaction that is still open has kept records from being sealed, as far as this instance has seen.',
      { aggregator: 'max' },
    ),
    heldUpPid: gauge(
      'cqrs_log_held_up_pid',
      'The process of PostgreSQL that has that transaction; 0 when there is none, or it is a prepared one.',
      { aggregator: 'max' },
    ),
    feedLast: gauge('cqrs_feed_last_sequence', 'The number of the last event, as far as this instance has heard.', {
      aggregator: 'max',
    }),
    unnumberedEvents: gauge('cqrs_feed_unnumbered_events', 'Committed events without a number; counted up to 100,000.', {
      aggregator: 'max',
    }),
    unnumberedSeconds: gauge('cqrs_feed_unnumbered_age_seconds', 'Age of the oldest of them, since its command arrived.', {
      aggregator: 'max',
    }),
    numberingDelay: histogram(
      'cqrs_feed_numbering_delay_seconds',
      'From a commit of this instance that stored events to the end of the round that numbered them; of each round, the longest.',
      { buckets: STATEMENT_SECONDS },
    ),
    feedRounds: counter('cqrs_feed_rounds_total', 'Rounds of numbering: ok, busy when another session was at it, failed.', [
      'outcome',
    ]),
    feedRoundSeconds: histogram('cqrs_feed_round_duration_seconds', 'How long rounds of numbering took.', {
      buckets: STATEMENT_SECONDS,
    }),
    numberedEvents: counter('cqrs_feed_numbered_events_total', 'Events that this instance numbered.'),
    processorLagEvents: gauge('cqrs_processor_lag_events', 'Events behind the checkpoint; of several partitions, the most.', {
      labelNames: ['processor'],
      aggregator: 'max',
    }),
    processorLagSeconds: gauge('cqrs_processor_lag_seconds', 'Age of the oldest of them.', {
      labelNames: ['processor'],
      aggregator: 'max',
    }),
    processorPaused: gauge('cqrs_processor_paused', 'Whether an operator paused it: 1 or 0.', {
      labelNames: ['processor'],
      aggregator: 'max',
    }),
    processorFailing: gauge('cqrs_processor_failing_seconds', 'For how long it has been failing; 0 while it does not.', {
      labelNames: ['processor'],
      aggregator: 'max',
    }),
    deadLetters: gauge('cqrs_dead_letters', 'Parked events, with those that wait behind them.', {
      labelNames: ['processor'],
      aggregator: 'max',
    }),
    processedEvents: counter('cqrs_processor_events_total', 'Events that this instance handled.', ['processor']),
    processorFailures: counter('cqrs_processor_failures_total', 'Batches and events that failed and are tried again.', [
      'processor',
    ]),
    parkedEvents: counter('cqrs_processor_parked_total', 'Events that this instance gave up for now: dead letters.', [
      'processor',
    ]),
    batchSeconds: histogram('cqrs_processor_batch_duration_seconds', 'How long it took to write a batch.', {
      labelNames: ['processor'],
      buckets: STATEMENT_SECONDS,
    }),
    timers: gauge('cqrs_timers', 'Commands that are sent later: waiting, due, failed; counted up to 10,000.', {
      labelNames: ['process', 'state'],
      aggregator: 'max',
    }),
    timersLate: gauge('cqrs_timers_late_seconds', 'For how long the oldest of those that are due has been so.', {
      labelNames: ['process'],
      aggregator: 'max',
    }),
    firedTimers: counter(
      'cqrs_timers_fired_total',
      'Commands of timers that this instance sent: done; refused or later, and sent again; failed, and given up.',
      ['process', 'outcome'],
    ),
    timerDelay: histogram('cqrs_timer_delay_seconds', 'From when a timer was due until its command was done.', {
      labelNames: ['process'],
      buckets: STATEMENT_SECONDS,
    }),
    rebuildDone: gauge('cqrs_rebuild_done_ratio', 'How much of a rebuild or verification that runs is done: 0 to 1.', {
      labelNames: ['projection'],
      aggregator: 'max',
    }),
    rebuildFailed: gauge('cqrs_rebuild_failed', 'Whether the newest rebuild or verification failed: 1 or 0.', {
      labelNames: ['projection'],
      aggregator: 'max',
    }),
    instances: gauge('cqrs_instances', 'Processes of the service, by the list in the database: alive, gone.', {
      labelNames: ['state'],
      aggregator: 'max',
    }),
    damage: counter(
      'cqrs_damage_total',
      'Signs of damage: seals of somebody else, a verification that failed, data that the primary cannot read.',
      ['kind'],
    ),
    diskFree: gauge('cqrs_data_free_bytes', 'Free space where DATA_DIR is. Only with the embedded PostgreSQL.', {
      aggregator: 'min',
    }),
    diskSize: gauge('cqrs_data_size_bytes', 'Size of the file system where DATA_DIR is. Only with the embedded PostgreSQL.', {
      aggregator: 'max',
    }),
    lostSpans: counter('cqrs_lost_spans_total', 'Spans that were recorded and could not be exported.'),
    processes: gauge('bicameral_processes', 'Processes that serve: WORKERS.'),
  };
  // Of Node.js and the process: event loop delay, garbage collection, heap, resident memory, CPU, open files.
  collectDefaultMetrics({ register: registry });
  gauge('bicameral_build_info', 'The program that runs; always 1.', {
    labelNames: ['version', 'node'],
    aggregator: 'first',
  }).set({ version, node: process.version }, 1);
  instruments.processes.set(1);
  return instruments;
}
