/** Options of the `postgres` program, as for its flag `-c`. */
export type ServerSettings = Readonly<Record<string, string>>;

/** The slot that keeps the WAL a stopped replica has not read yet. */
export const REPLICATION_SLOT = 'replica';

/**
 * The same on primary and replica: a replica whose `max_*` settings are lower than the primary's does not start.
 * What is not named keeps PostgreSQL's default; so `fsync` and `synchronous_commit` are on.
 */
const COMMON: ServerSettings = {
  shared_buffers: '128MB',
  max_connections: '200',
  wal_level: 'replica',
  // Past this the replica is made again rather than the disk filled.
  max_slot_wal_keep_size: '1GB',
  hot_standby_feedback: 'on',
  max_standby_streaming_delay: '5s',
  wal_receiver_status_interval: '1s',
  wal_retrieve_retry_interval: '500ms',
  jit: 'off',
  autovacuum: 'on',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_destination: 'stderr',
  logging_collector: 'off',
  log_min_messages: 'warning',
  // Not what was stored or sent: a broken rule's detail holds the values of the row, and a statement can hold some too.
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
  log_checkpoints: 'off',
  log_line_prefix: '%m [%p] %q%u ',
};

/**
 * Everything a server is told at each start. Nothing that depends on the place is left in the data folder, so that it can be moved.
 */
export function serverSettings(options: {
  readonly name: string;
  readonly socketDirectory: string;
  readonly port: number;
  /** Set for a replica: the port of its primary, in the same socket directory. */
  readonly primaryPort?: number;
  readonly overrides: ServerSettings;
}): ServerSettings {
  const { name, socketDirectory, port, primaryPort, overrides } = options;
  const replication: ServerSettings =
    primaryPort === undefined
      ? {}
      : {
          primary_conninfo: `host=${quoted(socketDirectory)} port=${primaryPort} user=postgres application_name=${name}`,
          primary_slot_name: REPLICATION_SLOT,
        };
  return {
    ...COMMON,
    ...overrides,
    ...replication,
    cluster_name: name,
    port: String(port),
    listen_addresses: '',
    unix_socket_directories: quotedInList(socketDirectory),
    unix_socket_permissions: '0700',
  };
}

export function settingArguments(settings: ServerSettings): string[] {
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** A value in a libpq connection string. */
function quoted(value: string): string {
  return `'${value.replace(/[\\']/g, '\\$&')}'`;
}

/** A name in a list of names, where a comma separates. */
function quotedInList(value: string): string {
  return `"${value.replaceAll('"', '""')}"`;
}
