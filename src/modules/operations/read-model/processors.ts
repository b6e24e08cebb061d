import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { ProcessorKind, type ProcessorSchema } from '#gen/operations/v1/query_service_pb.js';
import { PROCESSOR_STATES, type ProcessorState } from '../../../kernel/feed/processors/processor-states.ts';
import { durationOf } from './duration-of.ts';
import { statement } from './statement.ts';

export const allProcessors = statement<ProcessorState>(PROCESSOR_STATES);

export const toProcessor = (row: ProcessorState): MessageInitShape<typeof ProcessorSchema> => ({
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
  known: row.known,
});
