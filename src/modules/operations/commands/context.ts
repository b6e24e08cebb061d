import type { CommandContext } from '../../../kernel/bus/command.ts';
import type { DeclaredProjection } from '../../../kernel/feed/declared-projections.ts';

/** What the commands of this module are given. What they change is kept with the command or not at all. */
export interface OperationsCommandContext extends CommandContext {
  /** Every projection of the service, by name. */
  readonly projections: ReadonlyMap<string, DeclaredProjection>;
  readonly processors: Processors;
  readonly rebuilds: Rebuilds;
  readonly deadLetters: DeadLetters;
  readonly timers: Timers;
}

/** Projections and reactors that read the feed. */
export interface Processors {
  /** Undefined when there is none of this name. */
  readonly kindOf: (name: string) => Promise<'projection' | 'reactor' | undefined>;
  /** All of its partitions. Returns whether that changed anything. */
  readonly setPaused: (name: string, paused: boolean) => Promise<boolean>;
}

export interface Rebuilds {
  /** Adds a run, unless one is under way: returns the id of that one. */
  readonly begin: (rebuild: {
    readonly id: string;
    readonly projection: string;
    readonly verify: boolean;
    readonly now: Date;
  }) => Promise<{ readonly underWay: string } | undefined>;
  /** Returns the id of the run that was under way. */
  readonly cancel: (projection: string, now: Date) => Promise<string | undefined>;
}

/** Which parked events of a processor: one, those of an aggregate, or all. */
export interface Which {
  readonly sequence?: bigint;
  readonly aggregateId?: string;
}

export interface DeadLetters {
  /** Returns how many these are. */
  readonly retry: (processor: string, which: Which) => Promise<number>;
  /** Returns whether there was one. */
  readonly discard: (processor: string, sequence: bigint) => Promise<boolean>;
}

/** Commands that are sent later. */
export interface Timers {
  /** Of those that have failed the one with that id, those of that process manager, or all. Returns how many these are. */
  readonly retry: (which: { readonly id: string | undefined; readonly process: string | undefined }) => Promise<number>;
  /** In whatever state. */
  readonly has: (id: string) => Promise<boolean>;
  /** Returns whether there was one. */
  readonly cancel: (id: string) => Promise<boolean>;
}
