import { isAlive } from '../instances.ts';

/** How a processor does: a row of PROCESSOR_STATES. */
export interface ProcessorState {
  readonly name: string;
  readonly kind: 'projection' | 'reactor';
  readonly partition: number;
  readonly partitions: number;
  readonly owner: string | null;
  readonly checkpoint: string;
  readonly checkpoint_at: Date;
  readonly lag_events: string;
  /** The age of the first event behind the checkpoint. */
  readonly lag_seconds: number;
  readonly paused: boolean;
  readonly attempts: number;
  readonly failing_since: Date | null;
  readonly failing_seconds: number;
  readonly error: string | null;
  readonly retry_at: Date | null;
  readonly dead_letters: string;
  /** Whether an instance that runs knows it. One that none knows was taken out of the program, and its row is what is left. */
  readonly known: boolean;
}

/** Every partition of what reads the feed, by name. Over any connection; of a replica, what it knows. */
export const PROCESSOR_STATES = `select name, kind, partition, partitions, owner, checkpoint, checkpoint_at,
    greatest(0, last_sequence - checkpoint) as lag_events,
    greatest(0, extract(epoch from clock_timestamp() - (
      select occurred_at from cqrs.event
      where position = (select position from cqrs.feed where sequence > checkpoint order by sequence limit 1)
    )))::float8 as lag_seconds,
    paused, attempts, failing_since, error, retry_at,
    greatest(0, extract(epoch from clock_timestamp() - failing_since))::float8 as failing_seconds,
    (select count(*) from cqrs.dead_letter
      where dead_letter.processor = processor.name and dead_letter.partition = processor.partition) as dead_letters,
    exists (select from cqrs.instance where name = any (instance.processors) and ${isAlive('instance')}) as known
  from cqrs.processor, cqrs.sequencer
  order by name, partition`;
