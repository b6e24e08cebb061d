import { loop } from '../../background/loop.ts';
import { sqlState } from '../sql-errors.ts';
import { speaksAgainstServer } from '../sql-states.ts';
import { LogPositions } from './log-positions.ts';
import { LATE, type Sighting } from './probe.ts';

/** How often each database is looked at, in milliseconds. */
const INTERVAL = 500;
/** A replica that is further behind the primary than this is not read from, in milliseconds. */
const MOST_LAG = 10_000;
/** How long a replica is left out whose server or data failed a query; twice as long each time it does so again, in milliseconds. */
const FIRST_REST = 1_000;
const LONGEST_REST = 60_000;

/** Told when a database goes out of use or comes back; `error` is what a query or a look met, when that is why. */
export type OnChange = (name: string, healthy: boolean, error?: unknown) => void;

/** Is called when the primary is on a timeline that is to be recorded. */
export type OnTimeline = () => void;

/** A database under watch. */
export interface Monitored {
  readonly name: string;
  readonly probe: { readonly look: () => Promise<Sighting | typeof LATE | Error> };
  /** Breaks the connections of queries, so that those that wait on them can go elsewhere. */
  readonly cut: () => void;
  /** Opens its connections anew. */
  readonly renew: () => void;
}

interface State {
  readonly healthy: boolean;
  /** Bytes of WAL that the database has applied (the primary: written). */
  readonly position: bigint;
}

/** How far a replica is behind: WAL that it has not applied, and for how long it has been behind what the primary had written. */
export interface Lag {
  readonly bytes: number;
  readonly seconds: number;
}

/** A replica that answers the monitor and failed queries all the same. */
interface Rest {
  readonly until: number;
  readonly ms: number;
}

/**
 * Knows which databases can be read from, and how far each replica has come.
 *
 * A replica is healthy when it answers, is a standby, and has applied all that the primary had written ten seconds ago. With the
 * primary away, lag cannot be told and a replica that answers is healthy. A replica that hangs is cut off: its queries fail and can
 * be asked of another database, instead of waiting for an answer until their deadline.
 *
 * A replica may answer the monitor and still fail queries: its disk is full, a page is damaged. It rests after such a failure, and
 * the longer the more often it fails.
 */
export class ReplicaMonitor {
  readonly #primary: Monitored;
  readonly #replicas: readonly Monitored[];
  readonly #states = new Map<string, State>();
  readonly #rests = new Map<string, Rest>();
  /** When the primary wrote last what each replica has applied. */
  readonly #reached = new Map<string, number>();
  /** Positions of the primary, oldest first: what a replica must have reached by now. */
  readonly #history: { readonly at: number; readonly position: bigint }[] = [];
  readonly #onChange: OnChange;
  readonly #onTimeline: OnTimeline;
  /** Where each is in the log, for those who compare it with what they have seen. */
  readonly positions: LogPositions;
  readonly #looks = loop({ name: 'replica monitor', every: INTERVAL, restsFirst: true, round: () => this.#lookAround() });

  constructor(parts: {
    primary: Monitored;
    replicas: readonly Monitored[];
    onChange: OnChange;
    onTimeline?: OnTimeline | undefined;
  }) {
    this.#primary = parts.primary;
    this.#replicas = parts.replicas;
    this.#onChange = parts.onChange;
    this.#onTimeline = parts.onTimeline ?? (() => {});
    this.positions = new LogPositions(parts.primary.name);
  }

  /** Looks around now. After that it is done at intervals until `stop`. */
  readonly refresh = (): Promise<void> => this.#looks.next();

  readonly stop = (signal?: AbortSignal): Promise<void> => this.#looks.stop(signal);

  isHealthy(name: string): boolean {
    return this.#states.get(name)?.healthy ?? false;
  }

  /** How far a database has come, in bytes of WAL. */
  #position(name: string): bigint {
    return this.#states.get(name)?.position ?? 0n;
  }

  /** How far a replica is behind the primary, as both were seen last, to half a second: 0 while an idle primary's last write is applied. */
  lag(name: string): Lag {
    const bytes = this.#position(this.#primary.name) - this.#position(name);
    if (bytes <= 0n) return { bytes: 0, seconds: 0 };
    const reached = this.#reached.get(name);
    // Of one that was just seen nothing is known of since then; one that is away falls behind further.
    const until = this.isHealthy(name) ? (this.#history.at(-1)?.at ?? performance.now()) : performance.now();
    return { bytes: Number(bytes), seconds: reached === undefined ? 0 : Math.max(0, until - reached) / 1000 };
  }

  /**
   * How old at most is what a database has, in milliseconds: the time since the primary had not written more than the database was seen to have
   * applied. It is a little more than the time since the last look where all is applied, grows while replay stands still or the primary is away, and is
   * infinite where nothing is known.
   */
  staleness(name: string): number {
    if (name === this.#primary.name) return 0;
    return performance.now() - (this.#reached.get(name) ?? Number.NEGATIVE_INFINITY);
  }

  /**
   * Takes a database that just failed out of use until it answers again. When the error speaks against its server or its data, which
   * an answer does not disprove, it also rests; not so the primary, which has nobody to stand in for it.
   */
  reportFailure(name: string, error?: unknown): void {
    const state = sqlState(error);
    if (state !== undefined && speaksAgainstServer(state)) {
      if (name === this.#primary.name) return;
      this.#rest(name);
    }
    this.#set(name, { healthy: false, position: this.#position(name) }, error);
  }

  /** Looks at every database at once: one that hangs does not hold up the others. */
  async #lookAround(): Promise<void> {
    const due = this.#lookAtPrimary();
    await Promise.all(this.#replicas.map((replica) => this.#lookAtReplica(replica, due)));
    await due;
  }

  /** Answers what a replica must have applied by now. */
  async #lookAtPrimary(): Promise<bigint> {
    const now = performance.now();
    const { name, probe, renew } = this.#primary;
    const seen = await probe.look();
    const primary = seen === LATE || Error.isError(seen) ? undefined : seen;
    // After a switchover, connections may still be with the old primary, whose name or address means another server by now.
    if (primary?.isStandby) renew();
    this.#set(name, { healthy: primary?.isStandby === false, position: primary?.position ?? 0n }, failureOf(seen));
    const isElsewhere = this.positions.primarySaid(primary?.isStandby === false ? primary : undefined);
    // What the old primary wrote may be lost, so that nobody has to have it.
    if (isElsewhere) this.#history.length = 0;
    if (!primary) return 0n;
    if (primary.isNew) this.#onTimeline();
    this.#remember(now, primary.position);
    return this.#due(now);
  }

  async #lookAtReplica({ name, probe, cut, renew }: Monitored, due: Promise<bigint>): Promise<void> {
    const seen = await probe.look();
    if (seen === LATE || Error.isError(seen)) {
      this.#set(name, { healthy: false, position: this.#position(name) }, failureOf(seen));
      if (seen === LATE) cut();
      return;
    }
    // It may be the server that was promoted, while its name or address means the new standby by now.
    if (!seen.isStandby) renew();
    const mostLag = await due;
    const isLeftBehind = this.positions.replicaSaid(name, seen) === false;
    const reached = isLeftBehind ? undefined : this.#history.findLast(({ position }) => position <= seen.position)?.at;
    if (reached !== undefined) this.#reached.set(name, reached);
    const isFresh = seen.isStandby && seen.position >= mostLag && !(isLeftBehind && this.staleness(name) > MOST_LAG);
    this.#set(name, { healthy: isFresh && !this.#isResting(name), position: seen.position });
  }

  /** Failures of calls that were under way together are one. */
  #rest(name: string): void {
    const now = performance.now();
    const before = this.#rests.get(name);
    if (before && now < before.until) return;
    const isAgain = before && now < before.until + LONGEST_REST;
    const ms = isAgain ? Math.min(LONGEST_REST, 2 * before.ms) : FIRST_REST;
    this.#rests.set(name, { until: now + ms, ms });
  }

  #isResting(name: string): boolean {
    return performance.now() < (this.#rests.get(name)?.until ?? 0);
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

  #set(name: string, state: State, error?: unknown): void {
    const before = this.#states.get(name)?.healthy;
    this.#states.set(name, state);
    if (before !== state.healthy) this.#onChange(name, state.healthy, error);
  }
}

const failureOf = (seen: unknown): Error | undefined => (Error.isError(seen) ? seen : undefined);
