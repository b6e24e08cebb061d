import type { MessageInitShape, Registry } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type EventSchema, PersonalData } from '#gen/events/v1/event_pb.js';
import { holdsPersonalData, jsonOf, readStoredEvent } from '../../../kernel/database/write/stored-event.ts';

/** cqrs.event, which the unit of work writes. */
export interface EventTable {
  readonly position: string;
  readonly id: string;
  readonly type: string;
  readonly payload: Buffer;
  readonly personal: Buffer | null;
  readonly aggregate_type: string;
  readonly aggregate_id: string;
  readonly aggregate_version: number;
  readonly command_id: string;
  readonly occurred_at: Date;
}

/** cqrs.feed: the number of each event. */
export interface FeedTable {
  readonly sequence: string;
  readonly position: string;
}

/** An event with its place in the feed. */
export type FeedRow = Omit<EventTable, 'position'> & Pick<FeedTable, 'sequence'>;

export const FEED_COLUMNS = [
  'feed.sequence',
  'event.id',
  'event.type',
  'event.payload',
  'event.personal',
  'event.aggregate_type',
  'event.aggregate_id',
  'event.aggregate_version',
  'event.command_id',
  'event.occurred_at',
] as const;

/** How much of an event a caller is shown. */
export interface Shown {
  /** Whether the caller may see personal data. */
  readonly personal: boolean;
  /** Whether the payload is also given as JSON. */
  readonly json: boolean;
}

/** The event as it is sent. Its payload stays unset when this program does not know its type, or its bytes are no message of it. */
export function toEvent(row: FeedRow, eventTypes: Registry, shown: Shown): MessageInitShape<typeof EventSchema> {
  const { type, payload } = row;
  const read = readStoredEvent({ type, payload, personal: shown.personal ? row.personal : null }, eventTypes);
  const json = read && shown.json ? jsonOf(read, eventTypes) : undefined;
  return {
    sequence: BigInt(row.sequence),
    id: row.id,
    type,
    aggregateType: row.aggregate_type,
    aggregateId: row.aggregate_id,
    aggregateVersion: BigInt(row.aggregate_version),
    commandId: row.command_id,
    occurredAt: timestampFromDate(row.occurred_at),
    ...(read && {
      payload: { typeUrl: `type.googleapis.com/${type}`, value: read.bytes },
      personalData: holdsPersonalData(read.schema) ? personalDataOf(row, shown) : PersonalData.NONE,
    }),
    ...(json && { json }),
  };
}

function personalDataOf({ personal }: FeedRow, shown: Shown): PersonalData {
  if (personal === null) return PersonalData.ERASED;
  return shown.personal ? PersonalData.INCLUDED : PersonalData.WITHHELD;
}
