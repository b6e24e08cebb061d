import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { ProcessorKind, type ProcessorSchema } from '#gen/operations/v1/query_service_pb.js';
import { durationOf } from './duration-of.ts';
import { statement } from './statement.ts';

export interface ProcessorRow {
  readonly name: string;
  readonly kind: 'projection' | 'reactor';
  readonly partition: number;
  readonly partitions: number;
  readonly owner: string | null;
  readonly checkpoint: string;
  readonly checkpoint_at: Date;
  readonly lag_events: string;
  readonly lag_seconds: number;
  readonly paused: boolean;
  readonly attempts: number;
  readonly failing_since: Date | null;
  readonly error: string | null;
  readonly retry_at: Date | null;
  readonly dead_letters: string;
}

/** Every partition of what reads the feed. The age of what it lags behind is that of the first event behind its checkpoint. */
export const allProcessors = statement<ProcessorRow>(`select name, kind, partition, partitions, owner, checkpoint, checkpoint_at,
    greatest(0, last_sequence - checkpoint) as lag_events,
    coalesce(extract(epoch from clock_timestamp() - (
      select occurred_at from cqrs.event
      where position = (select position from cqrs.feed where sequence > checkpoint order by sequence limit 1)
    )), 0)::float8 as lag_seconds,
    paused, attempts, failing_since, error, retry_at,
    (select count(*) from cqrs.dead_letter
      where dead_letter.processor = processor.name and dead_letter.partition = processor.partition) as dead_letters
  from cqrs.processor, cqrs.sequencer
  order by name, partition`);

export const toProcessor = (row: ProcessorRow): MessageInitShape<typeof ProcessorSchema> => ({
  name: row.name,
  kind: row.kind === 'projection' ? ProcessorKind.PROJECTION : ProcessorKind.REACTOR,
  partition: row.partition,
  partitions: row.partitions,
  instanceId: row.owner ?? '',
  checkpoint: BigInt(row.checkpoint),
  checkpointAt: timestampFromDate(row.checkpoint_at),
  lagEvents: BigInt(row.lag_events),
  lag: durationOf(row.lag_seconds),
  paused: row.paused,
  attempts: row.attempts,
  ...(row.failing_since && { failingSince: timestampFromDate(row.failing_since) }),
  error: row.error ?? '',
  ...(row.retry_at && { retryAt: timestampFromDate(row.retry_at) }),
  deadLetters: BigInt(row.dead_letters),
});
