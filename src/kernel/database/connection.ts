import type { ClientConfig } from 'pg';

/** How to reach one database as one role: a URL or the parts of one, as `pg` takes them. */
export type Connection = Readonly<
  Pick<ClientConfig, 'connectionString' | 'host' | 'port' | 'user' | 'password' | 'database' | 'ssl' | 'options'>
> & {
  /** The service that has the sessions: they go by its name. */
  readonly service?: string;
};

/** `application_name` of a session: whose it is, and what for, e.g. `bicameral commands`. */
export const sessionName = ({ service = 'bicameral' }: Connection, purpose: string): string => `${service} ${purpose}`;

/** Every way into the database. */
export interface Connections {
  /** May change the schema. */
  readonly owner: Connection;
  readonly writer: Connection;
  /** The primary as a role that may only read. */
  readonly reader: Connection;
  readonly replicas: readonly Connection[];
}

/**
 * A connection by its URL (PostgreSQL manual 32.1.1.2); undefined when the text is none. The host may be left out where a parameter
 * names the folder of a Unix-domain socket: `postgresql://user@/database?host=/run/postgresql`.
 */
export function connectionByUrl(text: string): Connection | undefined {
  const url = URL.parse(withoutHost(text));
  if (!url || !['postgres:', 'postgresql:'].includes(url.protocol)) return undefined;
  return { connectionString: withoutHost(text) };
}

/** The files that a URL names, by their parameters: they are read with each connection. */
export function filesIn({ connectionString }: Connection): [string, string][] {
  const parameters = URL.parse(connectionString ?? '')?.searchParams;
  return ['sslrootcert', 'sslcert', 'sslkey'].flatMap((name) => {
    const file = parameters?.get(name);
    return file ? [[name, file]] : [];
  });
}

/** URL knows no user without a host: the user and the password become parameters, as they can also be given. */
function withoutHost(text: string): string {
  const [, start = '', user = '', password = '', end = ''] = /^(\w+:\/\/)([^:@/?#]*):?([^@/?#]*)@(\/.*)$/.exec(text) ?? [];
  const url = URL.parse(start + end);
  if (!url) return text;
  for (const [name, value] of Object.entries({ user, password })) {
    if (value !== '') url.searchParams.set(name, decodeURIComponent(value));
  }
  return url.href;
}

/**
 * What the program's sessions depend on, whatever the database, the role or the server has for it: what it sends and reads is UTF-8,
 * times are in the form that `pg` reads, a backslash is a backslash, and a command's transaction sees what others have committed.
 */
export const SESSION: Readonly<Record<string, string>> = {
  client_encoding: 'UTF8',
  datestyle: 'ISO',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  bytea_output: 'hex',
  standard_conforming_strings: 'on',
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  lock_timeout: '0',
  statement_timeout: '0',
  idle_in_transaction_session_timeout: '0',
};

/** The same connection with run-time settings for each of its sessions, besides those it has (PostgreSQL manual 19.1.4). */
export function withSettings(connection: Connection, settings: Readonly<Record<string, string>>): Connection {
  const added = Object.entries(settings).map(([name, value]) => `-c ${name}=${value.replaceAll(/[\\\s]/g, '\\$&')}`);
  if (connection.connectionString === undefined)
    return { ...connection, options: [connection.options ?? '', ...added].join(' ').trim() };
  // What the URL says goes before what is said beside it.
  const url = new URL(connection.connectionString);
  url.searchParams.set('options', [url.searchParams.get('options') ?? '', ...added].join(' ').trim());
  return { ...connection, connectionString: url.href };
}
