import { sql } from 'kysely';
import { err, ok } from 'neverthrow';
import { QueryService } from '#gen/audit/v1/query_service_pb.js';
import { query } from '../../../cqrs/query.ts';
import { CommandNotFound } from '../command-not-found.ts';
import { RECORD_COLUMNS, SEQUENCE, statements, toCommandRecord } from '../read-model/command-log.ts';
import { receivedAtOf } from '../read-model/received-at.ts';
import { eventsById, toRecordedEvent } from '../read-model/recorded-event.ts';
import type { AuditQueryContext } from './context.ts';

/** By the primary key, in the one partition of its time. */
const byId = statements
  .selectFrom('cqrs.command_log as record')
  .select(RECORD_COLUMNS)
  .select(SEQUENCE)
  .where('record.received_at', '=', sql<Date>`${''}::timestamptz`)
  .where('record.command_id', '=', '')
  .compile();

/** Answers one record, with the events that the command stored. */
export const getCommand = query(
  QueryService.method.getCommand,
  async ({ commandId }, { read, eventTypes }: AuditQueryContext) => {
    const [row] = await read.rows(byId, [receivedAtOf(commandId), commandId]);
    if (!row) return err(new CommandNotFound(commandId));
    const events = row.event_ids.length > 0 ? await read.rows(eventsById, [row.event_ids]) : [];
    return ok({ command: toCommandRecord(row), events: events.map((event) => toRecordedEvent(event, eventTypes)) });
  },
);
