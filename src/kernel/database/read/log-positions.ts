import type { LogPosition, Seen } from './log-position.ts';
import type { Sighting } from './probe.ts';
import { type Standing, standingOf, type Timelines } from './timelines.ts';

/** What is known of one database. */
interface Known {
  readonly timeline: number;
  readonly timelines: Timelines;
  /** It has come at least so far. */
  lsn: bigint;
  /** The same, as it was seen last while the primary was on its timeline. */
  confirmed: bigint;
}

/**
 * Where each database is in the log, as far as is known: by looks, and by what connections say beside the queries that they answer.
 *
 * A replica cannot tell by itself whether it still follows the primary: one that goes on behind a server that was promoted has that timeline's row a little later,
 * and one that was left behind never has it. So only what a replica has on the primary's own timeline counts; and while the primary is away, what it was seen to
 * have before.
 */
export class LogPositions {
  readonly #primaryName: string;
  readonly #known = new Map<string, Known>();
  #isPrimaryUp = false;
  #systemIdentifier: bigint | undefined;
  #systemIdentifierText = '0';

  /** Of the primary. */
  constructor(name: string) {
    this.#primaryName = name;
  }

  /** Of the cluster; undefined until a database was seen. */
  get systemIdentifier(): bigint | undefined {
    return this.#systemIdentifier;
  }

  /** As a parameter of statements. */
  get systemIdentifierText(): string {
    return this.#systemIdentifierText;
  }

  /** Takes what the primary said of itself; undefined when it is away. Returns whether it is on another timeline than before. */
  primarySaid(sighting: Sighting | undefined): boolean {
    this.#isPrimaryUp = sighting?.log !== undefined;
    if (!sighting?.log) return false;
    const before = this.#known.get(this.#primaryName)?.timeline;
    this.#isOf(sighting);
    this.#set(this.#primaryName, sighting, sighting.log);
    return before !== undefined && before !== sighting.log.timeline;
  }

  /** Takes what a replica said of itself, after the primary did. Returns whether it follows the primary; undefined when nobody can tell. */
  replicaSaid(name: string, sighting: Sighting): boolean | undefined {
    if (this.#systemIdentifier === undefined) this.#isOf(sighting);
    if (!sighting.log) {
      this.#known.delete(name);
      return undefined;
    }
    this.#set(name, sighting, sighting.log);
    return this.#isPrimaryUp ? this.#isOnTimelineOfPrimary(sighting.log) : undefined;
  }

  /** Takes where a database was when it answered. */
  answered(name: string, position: LogPosition): void {
    const known = this.#known.get(name);
    if (known && known.timeline === position.timeline && known.lsn < position.lsn) known.lsn = position.lsn;
  }

  /** How a database stands to what somebody has seen, as far as is known. */
  standing(name: string, seen: Seen): Standing {
    const known = this.#known.get(name);
    if (!known) return 'not yet';
    const { timeline, timelines, confirmed } = known;
    if (name === this.#primaryName) return standingOfAll(seen, known, timelines);
    if (!this.#isPrimaryUp) return standingOfAll(seen, { timeline, lsn: confirmed }, timelines);
    return this.#isOnTimelineOfPrimary(known) ? standingOfAll(seen, known, this.#timelinesOfPrimary) : 'not yet';
  }

  /** Whether a database that answered at `position` has what somebody has seen. */
  has(name: string, seen: Seen, position: LogPosition): boolean {
    return standingOfAll(seen, position, this.#known.get(name)?.timelines ?? NONE) === 'has it';
  }

  #isOf({ systemIdentifier }: Sighting): void {
    this.#systemIdentifier = systemIdentifier;
    this.#systemIdentifierText = String(systemIdentifier);
  }

  #set(name: string, { timelines }: Sighting, { timeline, lsn }: LogPosition): void {
    const before = this.#known.get(name);
    const isConfirmed = this.#isPrimaryUp && (name === this.#primaryName || this.#isOnTimelineOfPrimary({ timeline }));
    const confirmed = before?.timeline === timeline ? before.confirmed : 0n;
    this.#known.set(name, { timeline, timelines, lsn, confirmed: isConfirmed ? lsn : confirmed });
  }

  #isOnTimelineOfPrimary({ timeline }: Pick<LogPosition, 'timeline'>): boolean {
    return timeline === this.#known.get(this.#primaryName)?.timeline;
  }

  get #timelinesOfPrimary(): Timelines {
    return this.#known.get(this.#primaryName)?.timelines ?? NONE;
  }
}

const NONE: Timelines = new Map();

function standingOfAll(seen: Seen, here: LogPosition, timelines: Timelines): Standing {
  const newest = standingOf(seen, here, timelines);
  if (newest !== 'has it' || !seen.earlier) return newest;
  return seen.earlier.every((one) => standingOf(one, here, timelines) === 'has it') ? newest : 'lost';
}
