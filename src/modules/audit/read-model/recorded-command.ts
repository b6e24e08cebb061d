import type { MessageInitShape, Registry } from '@bufbuild/protobuf';
import { sql } from 'kysely';
import type { CommandRecordSchema, RecordedEventSchema } from '#gen/audit/v1/command_record_pb.js';
import { receivedAtOf } from '../../../kernel/command-log/received-at.ts';
import type { Reader } from '../../../kernel/database/read/reader.ts';
import { SEQUENCE, SHOWN_COLUMNS, statements, toCommandRecord } from './command-log.ts';
import { eventsById, toRecordedEvent } from './recorded-event.ts';

/** By the primary key, in the one partition of its time. */
const byId = statements
  .selectFrom('cqrs.command_log as record')
  .select(SHOWN_COLUMNS)
  .select(SEQUENCE)
  .where('record.received_at', '=', sql<Date>`${''}::timestamptz`)
  .where('record.command_id', '=', '')
  .compile();

/** The record of one command, with the events that it stored; undefined when there is none. */
export async function recordedCommand(
  read: Pick<Reader, 'rows'>,
  commandId: string,
  eventTypes: Registry,
): Promise<
  { command: MessageInitShape<typeof CommandRecordSchema>; events: MessageInitShape<typeof RecordedEventSchema>[] } | undefined
> {
  const [row] = await read.rows(byId, [receivedAtOf(commandId), commandId]);
  if (!row) return undefined;
  const events = row.event_ids.length > 0 ? await read.rows(eventsById, [row.event_ids]) : [];
  return { command: toCommandRecord(row), events: events.map((event) => toRecordedEvent(event, eventTypes)) };
}
