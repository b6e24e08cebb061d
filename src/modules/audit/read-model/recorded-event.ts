import type { MessageInitShape, Registry } from '@bufbuild/protobuf';
import type { CompiledQuery } from 'kysely';
import type { RecordedEventSchema } from '#gen/audit/v1/command_record_pb.js';
import { holdsPersonalData, jsonOf, readStoredEvent } from '../../../kernel/database/write/stored-event.ts';
import { statements } from './command-log.ts';

/** A row of cqrs.event. */
export interface EventRow {
  readonly id: string;
  readonly type: string;
  readonly payload: Buffer;
  readonly personal: Buffer | null;
  readonly aggregate_version: number;
}

const byIds = statements
  .selectFrom('cqrs.event')
  .select(['id', 'type', 'payload', 'personal', 'aggregate_version'])
  .where('id', '=', (expression) => expression.fn.any(expression.val<string[]>([])))
  .orderBy('position')
  .compile();

/** Takes the ids of events as its one parameter, and answers those that are stored in the order in which they were. */
export const eventsById: CompiledQuery<EventRow> = byIds;

/** The event in JSON. Its payload stays unset when this program does not know its type, or its bytes are no message of it. */
export function toRecordedEvent(row: EventRow, eventTypes: Registry): MessageInitShape<typeof RecordedEventSchema> {
  const schema = eventTypes.getMessage(row.type);
  const event = readStoredEvent(row, eventTypes);
  const payload = event && jsonOf(event, eventTypes);
  return {
    eventId: row.id,
    type: row.type,
    aggregateVersion: BigInt(row.aggregate_version),
    ...(payload && { payload }),
    personalErased: schema !== undefined && row.personal === null && holdsPersonalData(schema),
  };
}
