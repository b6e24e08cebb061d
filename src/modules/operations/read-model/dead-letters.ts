import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { DeadLetterSchema } from '#gen/operations/v1/query_service_pb.js';
import { statement } from './statement.ts';

export interface DeadLetterRow {
  readonly processor: string;
  readonly partition: number;
  readonly sequence: string;
  readonly aggregate_id: string;
  readonly type: string;
  readonly attempts: number;
  readonly error: string | null;
  readonly parked_at: Date;
  readonly retry: boolean;
}

/** One page. The parameters: the processor, or null for all; behind which processor and number; how many. */
export const deadLetterPage =
  statement<DeadLetterRow>(`select processor, partition, sequence, aggregate_id, type, attempts, error,
    parked_at, retry
  from cqrs.dead_letter
  where ($1::text is null or processor = $1) and (processor, sequence) > ($2, $3::bigint)
  order by processor, sequence
  limit $4`);

export const toDeadLetter = (row: DeadLetterRow): MessageInitShape<typeof DeadLetterSchema> => ({
  processor: row.processor,
  partition: row.partition,
  sequence: BigInt(row.sequence),
  aggregateId: row.aggregate_id,
  type: row.type,
  attempts: row.attempts,
  error: row.error ?? '',
  parkedAt: timestampFromDate(row.parked_at),
  retry: row.retry,
});
