import type { Connection } from '../connection.ts';
import { type ConnectionPool, createPool } from '../pool.ts';
import { sqlState } from '../sql-errors.ts';
import { askPosition, formatLsn, type LogPosition, parseLsn, positionOf } from './log-position.ts';
import type { Timelines } from './timelines.ts';

/** What a database says of itself. */
export interface Sighting {
  readonly isStandby: boolean;
  /** Bytes of WAL that it has applied (the primary: written). */
  readonly position: bigint;
  /** What tokens are compared with; undefined of a standby that does not know its timeline. */
  readonly log: LogPosition | undefined;
  /** By which servers that hold copies of one database know each other. */
  readonly systemIdentifier: bigint;
  readonly timelines: Timelines;
  /** Whether the primary's timeline is to be recorded. */
  readonly isNew: boolean;
}

/** A database that did not answer in time. */
export const LATE = Symbol('late');

interface Looked {
  readonly standby: boolean;
  readonly position: string | null;
  readonly lsn: string | null;
  readonly timeline: string | null;
  readonly forked_at: string | null;
  readonly system_identifier: string;
  readonly version: number;
}

/** `forked_at`: as in `recordTimeline`. */
const LOOK = `select pg_is_in_recovery() as standby,
  pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, '0/0') as position,
  case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end as lsn,
  case when not pg_is_in_recovery() then left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) end as timeline,
  case when not pg_is_in_recovery() and pg_last_wal_receive_lsn() is not null then pg_last_wal_replay_lsn() end as forked_at,
  system_identifier, current_setting('server_version_num')::integer as version
  from pg_control_system()`;

const TIMELINES = 'select timeline, began_at from cqrs.timeline where system_identifier = $1 order by timeline';

/** undefined_table: a standby that has not applied the migration yet, or a database of an older version. */
const NO_TABLE = '42P01';

/** The first version of PostgreSQL that can wait for its replay, as `server_version_num`. */
const WAITS = 190_000;
/** How long such a wait may hold up the looks, in milliseconds. */
const LONGEST_WAIT = 20;

/** Has a standby answer when it has applied its log up to there, or when the time is over (PostgreSQL 19, WAIT FOR). It takes no parameters. */
export const waitForLsn = (lsn: bigint, ms: number): string =>
  `wait for lsn '${formatLsn(lsn)}' with (mode 'standby_replay', timeout '${ms}ms', no_throw)`;

/** Looks at one database over a connection of its own, which no query can keep busy. */
export class Probe {
  /** That connection, for others who watch something there. */
  readonly pool: ConnectionPool;
  readonly #patienceMs: number;
  #version = 0;

  constructor({ connection, name, patienceMs }: { connection: Connection; name: string; patienceMs: number }) {
    this.pool = createPool(connection, { name: `monitor ${name}`, max: 1, readOnly: true, connectionTimeoutMs: patienceMs });
    this.#patienceMs = patienceMs;
  }

  /** Never rejects: what stands against a look is answered. */
  async look(): Promise<Sighting | typeof LATE | Error> {
    const sighting = this.#ask().catch((error: unknown) => (Error.isError(error) ? error : new Error(String(error))));
    let patience: NodeJS.Timeout | undefined;
    const late = new Promise<typeof LATE>((resolve) => {
      // An answer that has arrived while this process was busy is read before it is called late.
      patience = setTimeout(() => setImmediate(resolve, LATE), this.#patienceMs);
    });
    const seen = await Promise.race([sighting, late]);
    clearTimeout(patience);
    if (seen === LATE) this.pool.cut();
    return seen;
  }

  /** Where the database is, as soon as it has applied its log up to `lsn` where it can wait for that, and at once where it cannot. Undefined when it cannot say. */
  async position(systemIdentifier: string, lsn: bigint): Promise<LogPosition | undefined> {
    const client = await this.pool.connect();
    let isBroken = true;
    try {
      if (this.#version >= WAITS) await client.query(waitForLsn(lsn, LONGEST_WAIT));
      const position = await askPosition(client, systemIdentifier);
      isBroken = position === undefined;
      return position;
    } finally {
      client.release(isBroken);
    }
  }

  /** The next look is over a new connection. */
  renew(): void {
    this.pool.renew();
  }

  async close(): Promise<void> {
    await this.pool.close();
  }

  async #ask(): Promise<Sighting> {
    const client = await this.pool.connect();
    let isBroken = true;
    try {
      const [looked] = (await client.query<Looked>(LOOK)).rows;
      if (!looked) throw new Error('the database returned no row about itself');
      const system = looked.system_identifier;
      this.#version = looked.version;
      const known = await client
        .query<{ timeline: string; began_at: string | null }>(TIMELINES, [system])
        .then(({ rows }) => rows, noTable);
      isBroken = false;
      return sightingOf(looked, known);
    } finally {
      client.release(isBroken);
    }
  }
}

function sightingOf(looked: Looked, known: readonly { timeline: string; began_at: string | null }[]): Sighting {
  const { standby: isStandby, position, lsn } = looked;
  const timelines = new Map(
    known.map(({ timeline, began_at }) => [Number(timeline), began_at === null ? undefined : parseLsn(began_at)]),
  );
  const newest = known.at(-1)?.timeline;
  const followed = newest === undefined ? null : Number(newest).toString(16);
  const log = positionOf({ lsn, timeline: isStandby ? followed : looked.timeline });
  const isNew = !isStandby && log !== undefined && !timelines.has(log.timeline);
  if (isNew) timelines.set(log.timeline, looked.forked_at === null ? undefined : parseLsn(looked.forked_at));
  return {
    isStandby,
    position: BigInt(position ?? '0'),
    log,
    systemIdentifier: BigInt(looked.system_identifier),
    timelines,
    isNew,
  };
}

function noTable(error: unknown): [] {
  if (sqlState(error) === NO_TABLE) return [];
  throw error;
}
