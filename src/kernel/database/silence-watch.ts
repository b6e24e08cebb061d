import { type Connection, sessionName } from './connection.ts';
import { DatabaseClient } from './database-client.ts';

/** One look at the connections, in milliseconds. */
const LOOK_EVERY = 1_000;
/** Looks at a silent connection before the server is asked about it, and between asking again. */
const ASK_AFTER = 5;
/** How long the server may take to answer that, in milliseconds. */
const PATIENCE = 2_000;

/** A connection that has sent a statement and heard nothing since. */
interface Silence {
  readonly received: number;
  /** Looks that found it so. Looks and not time: while this process is stopped, nothing is read and nobody is late. */
  looks: number;
  /** The server said that it does nothing for this connection. */
  isDoubted: boolean;
}

export interface SilenceWatchOptions {
  /** How to reach the same server besides. */
  readonly connection: Connection;
  /** The connections that are open now. */
  readonly clients: () => Iterable<DatabaseClient>;
  /** A connection that is silent for longer is cut off without asking, in milliseconds: somewhat above the server's own time limit. */
  readonly longestMs: number;
}

/**
 * Cuts off connections whose answers will never come: a proxy, a firewall or a server that vanished can swallow bytes and close
 * nothing, and TCP notices none of it while the nearest hop is well.
 *
 * A connection that has waited in silence for some seconds is asked about over a new one: PostgreSQL knows by pg_stat_activity whether
 * it works on the statement (also when that waits for a lock) or has done with it. When it has, twice in a row, the connection is cut
 * off, and what the server still holds for it (a transaction, its locks) is ended. Behind a pooler, whose process numbers mean nothing
 * to the server, and while nobody answers, only the longest time counts.
 */
export function watchSilence({ connection, clients, longestMs }: SilenceWatchOptions): { stop: () => void } {
  const silences = new WeakMap<DatabaseClient, Silence>();
  let isAsking = false;

  function look(): void {
    const suspects: DatabaseClient[] = [];
    for (const client of clients()) {
      const silence = silenceOf(client);
      if (!silence) continue;
      silence.looks += 1;
      if (silence.looks * LOOK_EVERY > longestMs) client.cutOff();
      else if (silence.isDoubted || silence.looks % ASK_AFTER === 0) suspects.push(client);
    }
    if (suspects.length > 0 && !isAsking) void askAbout(suspects);
  }

  /** Undefined for a connection that does not wait, or has heard something since the last look. */
  function silenceOf(client: DatabaseClient): Silence | undefined {
    const known = silences.get(client);
    if (client.isWaiting && known?.received === client.received) return known;
    if (client.isWaiting) silences.set(client, { received: client.received, looks: 0, isDoubted: false });
    else silences.delete(client);
    return undefined;
  }

  async function askAbout(suspects: readonly DatabaseClient[]): Promise<void> {
    isAsking = true;
    try {
      const doubted = suspects.filter((client) => silences.get(client)?.isDoubted);
      const working = await serverProcessesAtWork(connection, suspects, doubted);
      for (const client of suspects) {
        const silence = silences.get(client);
        // Something came meanwhile, or nobody can tell.
        if (!silence || !working || client.received !== silence.received) continue;
        if (working.has(client.serverProcess)) silence.isDoubted = false;
        else if (silence.isDoubted) client.cutOff();
        else silence.isDoubted = true;
      }
    } finally {
      isAsking = false;
    }
  }

  const timer = setInterval(look, LOOK_EVERY).unref();
  return { stop: () => clearInterval(timer) };
}

/**
 * Which of the suspects the server works for; what it holds for the others among the doubted is ended. Undefined when that cannot be
 * told. A session is asked about by the role that it belongs to: of others one learns nothing.
 */
async function serverProcessesAtWork(
  connection: Connection,
  suspects: readonly DatabaseClient[],
  doubted: readonly DatabaseClient[],
): Promise<ReadonlySet<number> | undefined> {
  const settings = {
    application_name: sessionName(connection, 'watch'),
    connectionTimeoutMillis: PATIENCE,
    query_timeout: PATIENCE,
  };
  const client = new DatabaseClient({ ...connection, ...settings });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('set role none');
    const { rows } = await client.query<{ own: number; working: number[] }>(LOOK, [processesOf(suspects), processesOf(doubted)]);
    const [seen] = rows;
    return seen?.own === client.serverProcess ? new Set(seen.working) : undefined;
  } catch {
    return undefined;
  } finally {
    void client.end();
  }
}

const processesOf = (clients: readonly DatabaseClient[]): number[] => clients.map(({ serverProcess }) => serverProcess);

/** A state that is hidden counts as work. */
const LOOK = `with session as (
    select pid, coalesce(state <> 'idle' and coalesce(wait_event not in ('ClientRead', 'ClientWrite'), true), true) as works
    from pg_stat_activity where pid = any ($1::integer[])
  ), ended as (
    select pg_terminate_backend(pid) from session where not works and pid = any ($2::integer[])
  )
  select pg_backend_pid() as own, array(select pid from session where works) as working, (select count(*) from ended)`;
