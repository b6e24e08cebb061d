import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { SequencerSchema } from '#gen/operations/v1/query_service_pb.js';
import { durationOf } from './duration-of.ts';
import { statement } from './statement.ts';

export interface SequencerRow {
  readonly read_at: Date;
  readonly last_sequence: string;
  readonly numbered_at: Date;
  readonly waiting_events: string;
  readonly waiting_seconds: number;
}

/** What cqrs.number_events would number now, counted up to a limit. */
export const theSequencer = statement<SequencerRow>(`select clock_timestamp() as read_at, last_sequence, numbered_at,
    count(waiting.occurred_at) as waiting_events,
    coalesce(extract(epoch from clock_timestamp() - min(waiting.occurred_at)), 0)::float8 as waiting_seconds
  from cqrs.sequencer left join lateral (
    (select occurred_at from cqrs.event where position > last_position order by position limit 100000)
    union all
    (select occurred_at from cqrs.event
      where transaction_id >= pg_snapshot_xmax(seen) and position + 0 < last_position
        and (select true from cqrs.feed where feed.position = event.position) is null
      limit 100000)
    union all
    (select occurred_at from cqrs.event
      where transaction_id = any (array(select pg_snapshot_xip(seen))) and position + 0 < last_position
        and (select true from cqrs.feed where feed.position = event.position) is null
      limit 100000)
  ) as waiting on true
  group by last_sequence, numbered_at`);

export const toSequencer = (row: SequencerRow): MessageInitShape<typeof SequencerSchema> => ({
  lastSequence: BigInt(row.last_sequence),
  numberedAt: timestampFromDate(row.numbered_at),
  waitingEvents: BigInt(row.waiting_events),
  waiting: durationOf(row.waiting_seconds),
});
