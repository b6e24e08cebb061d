import type pg from 'pg';
import type { Logger } from 'pino';
import { type Loop, loop } from '../background/loop.ts';
import { MARK } from './cut.ts';

/** How often it is looked, in milliseconds. */
const EVERY = 1_000;
/** How long the database may take to answer, in milliseconds. */
const PATIENCE = 2_000;

/** The oldest transaction under way that writes: it holds up the mark of `Cut`, and so the seals. */
export interface MarkHolder {
  /** Its id. */
  readonly transaction: string;
  /** The process of the server; undefined for a prepared transaction, which has none. */
  readonly pid: number | undefined;
  /** The name of a prepared transaction. */
  readonly prepared: string | undefined;
  readonly database: string;
  readonly user: string;
  /** For how long it has been the oldest, as far as this instance has seen. PostgreSQL tells the start of a transaction to its own role only. */
  readonly seconds: number;
}

export interface MarkWatch extends Pick<Loop, 'stop'> {
  /** As of the last look, at most about a second ago; undefined when no transaction writes. Busy databases have another one at each look. */
  readonly holder: () => MarkHolder | undefined;
}

type Row = Omit<MarkHolder, 'seconds' | 'pid' | 'prepared'> & { readonly pid: number | null; readonly prepared: string | null };

const LOOK = {
  text: `with mark as materialized (select ${MARK} as id)
    select mark.id::text as transaction, lock.pid, prepared.gid as prepared,
      coalesce(session.datname, prepared.database, '') as database, coalesce(session.usename, prepared.owner, '') as user
    from mark
      join pg_locks as lock on locktype = 'transactionid' and transactionid = mark.id::xid and mode = 'ExclusiveLock' and granted
      left join pg_stat_activity as session on session.pid = lock.pid
      left join pg_prepared_xacts as prepared on prepared.transaction = lock.transactionid`,
  query_timeout: PATIENCE,
} as pg.QueryConfig;

/** Watches who holds up the mark: any transaction of the server that writes, in any of its databases. Begins to look at once. */
export function watchMark({
  pool,
  logger,
  everyMs = EVERY,
}: {
  /** The primary. */
  readonly pool: Pick<pg.Pool, 'query'>;
  readonly logger: Pick<Logger, 'warn' | 'info'>;
  readonly everyMs?: number;
}): MarkWatch {
  let seen: { readonly row: Row; readonly since: number } | undefined;
  let lookedAt = 0;

  async function look(): Promise<void> {
    const now = performance.now();
    const { rows } = await pool.query<Row>(LOOK);
    const [row] = rows;
    lookedAt = performance.now();
    if (!row) seen = undefined;
    else seen = { row, since: seen?.row.transaction === row.transaction ? seen.since : now };
  }

  const looking = loop({
    name: 'mark watch',
    every: everyMs,
    outage: { logger, fails: 'the oldest transaction cannot be read', works: 'the oldest transaction is read again' },
    round: look,
  });

  function holder(): MarkHolder | undefined {
    if (!seen) return undefined;
    const { transaction, pid, prepared, database, user } = seen.row;
    const seconds = (lookedAt - seen.since) / 1000;
    return { transaction, pid: pid ?? undefined, prepared: prepared ?? undefined, database, user, seconds };
  }

  return { holder, stop: looking.stop };
}
