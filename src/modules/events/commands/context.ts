import type { CommandContext } from '../../../kernel/bus/command.ts';

/** What the commands of this module are given. */
export interface EventsCommandContext extends CommandContext {
  readonly subscriptions: Subscriptions;
}

/** The places that are kept under names. What changes is kept with the command or not at all. */
export interface Subscriptions {
  /** The number of the last event. */
  readonly lastSequence: () => Promise<bigint>;
  /**
   * Gives the subscription another consumer, and makes it if it is missing. Returns its place; undefined when it is another principal's, and
   * the caller may not take that over.
   */
  readonly open: (opening: {
    readonly name: string;
    readonly principal: string;
    readonly mayTakeAny: boolean;
    readonly consumer: string;
    /** Where a new one begins. */
    readonly place: bigint;
    readonly now: Date;
  }) => Promise<bigint | undefined>;
  /** Moves the place forward, never backwards. Returns where it is; undefined when there is no such subscription. */
  readonly acknowledge: (name: string, sequence: bigint, now: Date) => Promise<bigint | undefined>;
  /** Returns whether there was one. */
  readonly remove: (name: string) => Promise<boolean>;
}
