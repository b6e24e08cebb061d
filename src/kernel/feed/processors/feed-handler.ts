import type { DescMessage, Message } from '@bufbuild/protobuf';
import type { ProjectionPart } from '../projection.ts';
import type { Effects } from './effects.ts';

/**
 * What is done with the events of the feed, in their order: what an async projection and a reactor are to the processors that run them.
 *
 * An effect in the database is `parts`, or what `react` adds to `effects`: it commits together with the checkpoint, and happens once. Any other effect of
 * `react` comes before the checkpoint, may come again after a crash, and has to be harmless then.
 */
export interface FeedHandler {
  /** Names the processor in the database; see `Projection.name`. */
  readonly name: string;
  readonly kind: 'projection' | 'reactor';
  /** The types of events that it takes. */
  readonly types: readonly string[];
  /** How many processors share the events, by their aggregates. The number of an existing processor is kept: see `cqrs.processor`. */
  readonly partitions: number;
  /** Where one begins that is not known yet: at the first event, or behind the last. */
  readonly from: 'beginning' | 'now';
  /** Tells whether an existing one was made by the same statements. */
  readonly definition: string;
  /** What it does in the statement that moves the checkpoint: parts of its WITH, which read `events`. None for a reactor. */
  readonly parts: readonly ProjectionPart[];
  /** Whether its parts read what events hold. */
  readonly readsData: boolean;
  /**
   * Is called with one event after the other. When it throws, the events before count as handled, and it is called again with this one: later and
   * without end after a `Transient` error, and three times after another; then the event is a dead letter.
   */
  readonly react?: (event: FeedEvent, signal: AbortSignal, effects: Pick<Effects, 'stateOf' | 'add'>) => Promise<unknown>;
}

/** An event with its place in the feed. */
export interface FeedEvent {
  readonly sequence: number;
  readonly id: string;
  readonly schema: DescMessage;
  /** Without its personal data where they have been erased. */
  readonly message: Message;
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly aggregateVersion: number;
  readonly commandId: string;
  /** The first command of the chain that the command belongs to; undefined where that is the command itself. Read for reactors alone. */
  readonly correlationId?: string | undefined;
  /** The span of the command, in the form of W3C Trace Context; empty where it had none. */
  readonly traceparent: string;
  readonly occurredAt: Date;
}

/** It says nothing against the event: somebody or something is unavailable for now. */
export class Transient extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
    this.name = 'Transient';
  }
}

/** The processor is elsewhere by now: another instance has it. */
export class PlaceLost extends Error {
  constructor() {
    super('another instance runs the processor');
    this.name = 'PlaceLost';
  }
}

/** An event could not be handled, told in words that may be stored and shown: without anything that came with the event. */
export class EventRefused extends Error {
  constructor(told: string, cause?: unknown) {
    super(told, { cause });
    this.name = 'EventRefused';
  }
}
