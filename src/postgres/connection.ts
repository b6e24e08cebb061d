import type { ClientConfig } from 'pg';

/** How to reach one database as one role: a URL or the parts of one, as `pg` takes them. */
export type Connection = Readonly<
  Pick<ClientConfig, 'connectionString' | 'host' | 'port' | 'user' | 'password' | 'database' | 'ssl' | 'options'>
>;

/** Every way into the database. */
export interface Connections {
  /** May change the schema. */
  readonly owner: Connection;
  readonly writer: Connection;
  /** The primary as a role that may only read. */
  readonly reader: Connection;
  readonly replicas: readonly Connection[];
}

/** The same connection with run-time settings for each of its sessions, besides those it has (PostgreSQL manual 19.1.4). */
export function withSettings(connection: Connection, settings: Readonly<Record<string, string>>): Connection {
  const added = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  if (connection.connectionString === undefined)
    return { ...connection, options: [connection.options ?? '', ...added].join(' ').trim() };
  // What the URL says goes before what is said beside it.
  const url = new URL(connection.connectionString);
  url.searchParams.set('options', [url.searchParams.get('options') ?? '', ...added].join(' ').trim());
  return { ...connection, connectionString: url.href };
}
