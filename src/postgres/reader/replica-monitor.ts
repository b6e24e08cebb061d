import type pg from 'pg';

/** How often each database is asked, in milliseconds. */
const INTERVAL = 500;
/** A database that does not answer within this time counts as away, in milliseconds. */
const PATIENCE = 2_000;
/** A replica that is further behind the primary than this is not read from, in milliseconds. */
const MOST_LAG = 10_000;

interface Monitored {
  readonly name: string;
  readonly pool: pg.Pool;
}

interface State {
  healthy: boolean;
  /** Bytes of WAL that the database has applied (the primary: written). */
  position: bigint;
}

/**
 * Knows which databases can be read from, and how far each replica has come.
 *
 * A replica is healthy when it answers, is a standby, and has applied all that the primary had written ten seconds ago. With the
 * primary away, lag cannot be told and a replica that answers is healthy.
 */
export class ReplicaMonitor {
  readonly #primary: Monitored;
  readonly #replicas: readonly Monitored[];
  readonly #states = new Map<string, State>();
  /** Positions of the primary, oldest first: what a replica must have reached by now. */
  readonly #history: { readonly at: number; readonly position: bigint }[] = [];
  #timer: NodeJS.Timeout | undefined;
  readonly #onChange: (name: string, healthy: boolean) => void;

  constructor(parts: { primary: Monitored; replicas: readonly Monitored[]; onChange: (name: string, healthy: boolean) => void }) {
    this.#primary = parts.primary;
    this.#replicas = parts.replicas;
    this.#onChange = parts.onChange;
  }

  /** Looks once, then at intervals until `stop`. */
  async start(): Promise<void> {
    await this.refresh();
    const again = (): void => {
      this.#timer = setTimeout(() => this.refresh().finally(() => this.#timer && again()), INTERVAL).unref();
    };
    again();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  isHealthy(name: string): boolean {
    return this.#states.get(name)?.healthy ?? false;
  }

  /** How far a database has come, in bytes of WAL. */
  position(name: string): bigint {
    return this.#states.get(name)?.position ?? 0n;
  }

  /** Takes a database that just failed out of use until it answers again. */
  reportFailure(name: string): void {
    this.#set(name, { healthy: false, position: this.position(name) });
  }

  async refresh(): Promise<void> {
    const now = performance.now();
    const primary = await probe(this.#primary.pool);
    this.#set(this.#primary.name, { healthy: primary?.standby === false, position: primary?.position ?? 0n });
    if (primary) this.#remember(now, primary.position);
    const due = primary ? this.#due(now) : 0n;
    await Promise.all(
      this.#replicas.map(async ({ name, pool }) => {
        const replica = await probe(pool);
        const healthy = replica?.standby === true && replica.position >= due;
        this.#set(name, { healthy, position: replica?.position ?? this.position(name) });
      }),
    );
  }

  /** Keeps the newest position that is as old as the lag allowed, and all that came after it. */
  #remember(at: number, position: bigint): void {
    this.#history.push({ at, position });
    while ((this.#history[1]?.at ?? at) <= at - MOST_LAG) this.#history.shift();
  }

  /** What a replica must have applied by now; nothing, until the primary has been watched for that long. */
  #due(now: number): bigint {
    const [oldest] = this.#history;
    return oldest && oldest.at <= now - MOST_LAG ? oldest.position : 0n;
  }

  #set(name: string, state: State): void {
    const before = this.#states.get(name)?.healthy;
    this.#states.set(name, state);
    if (before !== state.healthy) this.#onChange(name, state.healthy);
  }
}

async function probe(pool: pg.Pool): Promise<{ standby: boolean; position: bigint } | undefined> {
  let patience: NodeJS.Timeout | undefined;
  const answer = pool.query<{ standby: boolean; position: string }>(
    `select pg_is_in_recovery() as standby,
       pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, '0/0') as position`,
  );
  try {
    const late = new Promise<undefined>((resolve) => {
      patience = setTimeout(() => resolve(undefined), PATIENCE).unref();
    });
    const result = await Promise.race([answer, late]);
    const row = result?.rows[0];
    return row && { standby: row.standby, position: BigInt(row.position ?? '0') };
  } catch {
    return undefined;
  } finally {
    clearTimeout(patience);
    answer.catch(() => {});
  }
}
