import { LATE, type Sighting } from './probe.ts';

/** How often each database is looked at, in milliseconds. */
const INTERVAL = 500;
/** A replica that is further behind the primary than this is not read from, in milliseconds. */
const MOST_LAG = 10_000;

/** A database under watch. */
export interface Monitored {
  readonly name: string;
  readonly probe: { readonly look: () => Promise<Sighting | typeof LATE | undefined> };
  /** Breaks the connections of queries, so that those that wait on them can go elsewhere. */
  readonly cut: () => void;
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
 * primary away, lag cannot be told and a replica that answers is healthy. A replica that hangs is cut off: its queries fail and can
 * be asked of another database, instead of waiting for an answer until their deadline.
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

  /** Looks at every database at once: one that hangs does not hold up the others. */
  async refresh(): Promise<void> {
    const due = this.#lookAtPrimary();
    await Promise.all(this.#replicas.map((replica) => this.#lookAtReplica(replica, due)));
    await due;
  }

  /** Answers what a replica must have applied by now. */
  async #lookAtPrimary(): Promise<bigint> {
    const now = performance.now();
    const { name, probe } = this.#primary;
    const seen = await probe.look();
    const primary = seen === LATE ? undefined : seen;
    this.#set(name, { healthy: primary?.isStandby === false, position: primary?.position ?? 0n });
    if (!primary) return 0n;
    this.#remember(now, primary.position);
    return this.#due(now);
  }

  async #lookAtReplica({ name, probe, cut }: Monitored, due: Promise<bigint>): Promise<void> {
    const seen = await probe.look();
    if (seen === LATE || !seen) {
      this.#set(name, { healthy: false, position: this.position(name) });
      if (seen === LATE) cut();
      return;
    }
    this.#set(name, { healthy: seen.isStandby && seen.position >= (await due), position: seen.position });
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
