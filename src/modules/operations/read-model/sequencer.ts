import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { SequencerSchema } from '#gen/operations/v1/query_service_pb.js';
import { UNNUMBERED, type UnnumberedRow } from '../../../kernel/feed/unnumbered.ts';
import { durationOf } from './duration-of.ts';
import { statement } from './statement.ts';

export interface SequencerRow {
  readonly read_at: Date;
  readonly last_sequence: string;
  readonly numbered_at: Date;
}

export const theSequencer = statement<SequencerRow>(
  'select clock_timestamp() as read_at, last_sequence, numbered_at from cqrs.sequencer',
);

/** What the sequencer would number now. */
export const unnumbered = statement<UnnumberedRow>(UNNUMBERED);

export const toSequencer = (row: SequencerRow, { events, age }: UnnumberedRow): MessageInitShape<typeof SequencerSchema> => ({
  lastSequence: BigInt(row.last_sequence),
  numberedAt: timestampFromDate(row.numbered_at),
  waitingEvents: BigInt(events),
  waiting: durationOf(age),
});
