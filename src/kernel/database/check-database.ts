import type pg from 'pg';
import { type Connection, SESSION, sessionName, withSettings } from './connection.ts';
import { DatabaseClient } from './database-client.ts';

/** The oldest PostgreSQL that the statements are written for. */
const OLDEST = 150_000;

/** The database, or its server, is not one that the program can keep its promises on; the message says each thing and its remedy. */
export class DatabaseUnsuitable extends Error {
  constructor(problems: readonly string[]) {
    super(`The database cannot be used:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'DatabaseUnsuitable';
  }
}

/** How long a server may take to let somebody in, in milliseconds. */
const CONNECT_PATIENCE = 10_000;

/** A server cannot be reached or does not let a role in; the message says which, by which variables, and what to do about it. */
export class NotLetIn extends Error {
  constructor({ database, host, port, user }: DatabaseClient, variables: string, cause: unknown) {
    const problem = Error.isError(cause) ? cause.message : String(cause);
    const [, remedy] = REMEDIES.find(([pattern]) => pattern.test(problem)) ?? [];
    super(`The database ${database} at ${host}:${port} does not let ${user} in (${variables}): ${remedy ?? problem}`, { cause });
    this.name = 'NotLetIn';
  }
}

/** What `pg`, Node.js and poolers say in words of their own. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [
    /client password must be a string/,
    'it asks for a password. Put it into the URL, percent-encoded: postgresql://user:password@host/database',
  ],
  [
    /unsupported startup parameter/,
    'a pooler such as PgBouncer is in front of it and does not pass on the settings of a session. Name PostgreSQL itself; see docs/database.md.',
  ],
  [
    /unable to verify the first certificate|self-signed certificate|unable to get (local )?issuer certificate/,
    'its certificate comes from an unknown authority. Name the authority in the URL: ?sslmode=verify-full&sslrootcert=/path/to/ca.pem',
  ],
  [
    /pg_hba\.conf entry.*no encryption/,
    'it asks for TLS. Add ?sslmode=verify-full to the URL, and &sslrootcert=/path/to/ca.pem for an authority of your own. (A rule of its pg_hba.conf may be missing as well.)',
  ],
];

/** A session of the program's own kind, for what is done at the start. `variables` are those that it comes from. Throws NotLetIn. */
export async function connectAtStart(
  connection: Connection,
  { purpose, variables }: { purpose: string; variables: string },
): Promise<DatabaseClient> {
  const client = new DatabaseClient({
    ...withSettings(connection, SESSION),
    application_name: sessionName(connection, purpose),
    connectionTimeoutMillis: CONNECT_PATIENCE,
    keepAlive: true,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    throw new NotLetIn(client, variables, error);
  }
}

interface Seen {
  readonly version: number;
  readonly version_text: string;
  readonly encoding: string;
  readonly standby: boolean;
  readonly has_trigrams: boolean;
}

const LOOK = `select current_setting('server_version_num')::integer as version, current_setting('server_version') as version_text,
    pg_encoding_to_char(encoding) as encoding, pg_is_in_recovery() as standby,
    exists (select from pg_available_extensions where name = 'pg_trgm') as has_trigrams
  from pg_database where datname = current_database()`;

/** Looks at what no session can set for itself. Throws DatabaseUnsuitable. */
export async function checkDatabase(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<Seen>(LOOK);
  const [seen] = rows;
  if (!seen) return;
  const problems: string[] = [];
  if (seen.version < OLDEST) problems.push(`PostgreSQL ${seen.version_text} is too old: upgrade it to 15 or later.`);
  if (seen.encoding !== 'UTF8')
    problems.push(
      `Its encoding is ${seen.encoding}, which cannot hold every name: make a database with \`create database … encoding 'UTF8' template template0\`.`,
    );
  if (seen.standby)
    problems.push('It is a standby, which takes no commands: DATABASE_URL and DATABASE_OWNER_URL must name the primary.');
  if (!seen.has_trigrams)
    problems.push('The extension pg_trgm is unavailable: install the contrib modules of PostgreSQL on the server.');
  if (problems.length > 0) throw new DatabaseUnsuitable(problems);
}

interface Session {
  readonly read_only: string;
  readonly role: string;
  readonly datestyle: string;
  readonly encoding: string;
}

const SESSION_LOOK = `select current_setting('default_transaction_read_only') as read_only, current_user as role,
    current_setting('datestyle') as datestyle, current_setting('client_encoding') as encoding`;

/**
 * Whether a session of the pool is what was asked for; a pooler may keep settings to itself. Throws DatabaseUnsuitable, which names
 * the variable that the connection came from.
 */
export async function checkSession(
  pool: Pick<pg.Pool, 'query'>,
  { variable, readOnly }: { variable: string; readOnly: boolean },
): Promise<void> {
  const { rows } = await pool.query<Session>(SESSION_LOOK);
  const [session] = rows;
  if (!session) return;
  const problems: string[] = [];
  if (!session.datestyle.startsWith('ISO') || session.encoding !== 'UTF8' || (readOnly && session.read_only !== 'on'))
    problems.push(
      `${variable} leads to a session without the settings it was opened with: a pooler must pass on the parameter \`options\`, see docs/database.md.`,
    );
  if (!readOnly && session.read_only === 'on')
    problems.push(
      `${variable}: default_transaction_read_only is on for ${session.role}, so no command can be stored: \`alter role ${session.role} set default_transaction_read_only = off\`, or the same for the database.`,
    );
  if (problems.length > 0) throw new DatabaseUnsuitable(problems);
}

const GROUPS = `select current_user as role, rolname as wanted from pg_roles
  where rolname in ('bicameral_writer', 'bicameral_reader') and not pg_has_role(rolname, 'member') order by rolname desc`;

/** Whether the writer is in both groups: that of readers is what its queries become. Throws DatabaseUnsuitable. */
export async function checkWriterGroups(pool: Pick<pg.Pool, 'query'>): Promise<void> {
  const { rows } = await pool.query<{ role: string; wanted: string }>(GROUPS);
  if (rows.length === 0) return;
  throw new DatabaseUnsuitable(
    rows.map(({ role, wanted }) => `DATABASE_URL: ${role} is not in ${wanted}: \`grant ${wanted} to ${role}\`.`),
  );
}

const ROOM = `select current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer as of_server,
    nullif(rolconnlimit, -1) as of_role, (select nullif(datconnlimit, -1) from pg_database where datname = current_database()) as of_database
  from pg_roles where rolname = current_user`;

/**
 * Which limit of the server, the role or the database is below the connections that this program may open, in words; undefined when
 * none is. With fewer, calls are refused that have to wait for one, so it is worth a warning and no more.
 */
export async function tooFewConnections(pool: Pick<pg.Pool, 'query'>, needed: number): Promise<string | undefined> {
  const { rows } = await pool.query<{ of_server: number; of_role: number | null; of_database: number | null }>(ROOM);
  const [room] = rows;
  if (!room) return undefined;
  const limits = [
    { name: 'max_connections of the server (less those reserved)', limit: room.of_server },
    { name: 'the connection limit of the role', limit: room.of_role },
    { name: 'the connection limit of the database', limit: room.of_database },
  ];
  const lowest = limits.find(({ limit }) => limit !== null && limit < needed);
  return (
    lowest &&
    `${lowest.name} is ${lowest.limit}, and this program opens up to ${needed}: raise it, or lower WORKERS or LIMIT_DATABASE_CONNECTIONS`
  );
}
