import type { Connection } from '../connection.ts';
import { type ConnectionPool, createPool } from '../pool.ts';

/** What a database says of itself. */
export interface Sighting {
  readonly isStandby: boolean;
  /** Bytes of WAL that it has applied (the primary: written). */
  readonly position: bigint;
}

/** A database that did not answer in time. */
export const LATE = Symbol('late');

const LOOK = `select pg_is_in_recovery() as standby,
  pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, '0/0') as position`;

/** Looks at one database over a connection of its own, which no query can keep busy. */
export class Probe {
  /** That connection, for others who watch something there. */
  readonly pool: ConnectionPool;
  readonly #patienceMs: number;

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

  /** The next look is over a new connection. */
  renew(): void {
    this.pool.renew();
  }

  async close(): Promise<void> {
    await this.pool.close();
  }

  async #ask(): Promise<Sighting> {
    const { rows } = await this.pool.query<{ standby: boolean; position: string | null }>(LOOK);
    const [row] = rows;
    if (!row) throw new Error('the database returned no row about itself');
    return { isStandby: row.standby, position: BigInt(row.position ?? '0') };
  }
}
