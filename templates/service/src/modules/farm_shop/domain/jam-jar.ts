import { err, ok, type Result } from 'neverthrow';
import { VersionMismatch } from './jam-jar-errors.ts';
import type { JamJarEvent } from './jam-jar-events.ts';

/** The time of a change, and the version that the caller expects. Undefined: any version. */
export interface Change {
  readonly at: Date;
  readonly expectedVersion?: bigint | undefined;
}

/**
 * A jam jar, with its rules and its new events.
 *
 * Each method that changes something records an event and raises `version` by one, once for all changes of one unit of work. A change
 * that changes nothing records no event.
 */
export class JamJar {
  private readonly _id: string;
  private _name: string;
  private readonly _createdAt: Date;
  private _updatedAt: Date;
  private _version: number;
  /** The unit of work counts it, to tell apart two commands that changed the jam jar at the same time. */
  protected readonly _writes?: number;
  // Not stored. Undefined until the first event: a loaded jam jar does not pass the constructor.
  private _events?: JamJarEvent[];

  private constructor(id: string, name: string, at: Date) {
    this._id = id;
    this._name = name;
    this._createdAt = at;
    this._updatedAt = at;
    this._version = 0;
  }

  static create(jamJar: { id: string; name: string; at: Date }): JamJar {
    const created = new JamJar(jamJar.id, jamJar.name, jamJar.at);
    created.record({ type: 'JamJarCreated', name: jamJar.name }, jamJar.at);
    return created;
  }

  get id(): string {
    return this._id;
  }

  get name(): string {
    return this._name;
  }

  get createdAt(): Date {
    return this._createdAt;
  }

  get updatedAt(): Date {
    return this._updatedAt;
  }

  get version(): number {
    return this._version;
  }

  /** What happened since the jam jar was loaded, in order. */
  get recordedEvents(): readonly JamJarEvent[] {
    return this._events ?? [];
  }

  rename(name: string, change: Change): Result<void, VersionMismatch> {
    return this.decide(change, () => {
      if (name === this._name) return undefined;
      this._name = name;
      return { type: 'JamJarRenamed', name };
    });
  }

  retire(change: Change): Result<void, VersionMismatch> {
    return this.decide(change, () => ({ type: 'JamJarRetired' }));
  }

  /** Applies a change, unless a rule forbids it. Records nothing when nothing changes. */
  private decide(change: Change, apply: () => JamJarEvent | undefined): Result<void, VersionMismatch> {
    if (change.expectedVersion !== undefined && change.expectedVersion !== BigInt(this._version)) {
      return err(new VersionMismatch(this._version));
    }
    const event = apply();
    if (event) this.record(event, change.at);
    return ok();
  }

  private record(event: JamJarEvent, at: Date): void {
    if (!this._events) this._version += 1;
    this._updatedAt = at;
    this._events = [...(this._events ?? []), event];
  }
}
