import type { MessageInitShape, Registry } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type CompiledQuery, sql } from 'kysely';
import type { UserHistoryEntrySchema } from '#gen/users/v1/user_history_pb.js';
import { receivedAtOf } from '../../../kernel/command-log/received-at.ts';
import { readStatements } from '../../../kernel/database/read/read-statements.ts';
import { holdsPersonalData, readStoredEvent } from '../../../kernel/database/write/stored-event.ts';

/** An event of a user: cqrs.event, which the unit of work writes. */
export interface EventRow {
  readonly position: string;
  readonly id: string;
  readonly type: string;
  readonly payload: Buffer;
  readonly personal: Buffer | null;
  readonly aggregate_version: number;
  readonly command_id: string;
  readonly occurred_at: Date;
}

const statements = readStatements<{
  'cqrs.event': EventRow & { readonly aggregate_id: string; readonly aggregate_type: string };
  'cqrs.command_log': { readonly command_id: string; readonly received_at: Date; readonly principal: string };
}>();

/** The events of a user before a position, the newest first, by the index of aggregates. Takes the id, the position and how many. */
export const eventsBefore: CompiledQuery<EventRow> = statements
  .selectFrom('cqrs.event')
  .select(['position', 'id', 'type', 'payload', 'personal', 'aggregate_version', 'command_id', 'occurred_at'])
  .where('aggregate_id', '=', '')
  .where('position', '<', '')
  .where('aggregate_type', '=', sql.lit('users.v1.User'))
  .orderBy('position', 'desc')
  .limit(0)
  .compile();

/** The position behind all others. */
export const NEWEST = String(2n ** 63n - 1n);

const actors: CompiledQuery<{ command_id: string; principal: string }> = statements
  .selectFrom('cqrs.command_log')
  .select(['command_id', 'principal'])
  .where('received_at', '>=', sql<Date>`${''}::timestamptz`)
  .where('received_at', '<=', sql<Date>`${''}::timestamptz`)
  .where(sql<boolean>`(received_at, command_id) in (
      select * from unnest(${[]}::timestamptz[], ${[]}::uuid[]))`)
  .compile();

/** Who sent these commands. One whose record was pruned is missing. The times in their ids exclude the partitions of other months. */
export function actorsOf(commandIds: readonly string[]): typeof actors {
  const ids = commandIds.toSorted();
  const times = ids.map(receivedAtOf);
  return { ...actors, parameters: [times.at(0), times.at(-1), times, ids] };
}

export function toHistoryEntry(
  row: EventRow,
  { actor, eventTypes }: { actor: string | undefined; eventTypes: Registry },
): MessageInitShape<typeof UserHistoryEntrySchema> {
  const event = readStoredEvent(row, eventTypes);
  return {
    eventId: row.id,
    type: row.type,
    version: BigInt(row.aggregate_version),
    occurredAt: timestampFromDate(row.occurred_at),
    actor: actor ?? '',
    commandId: row.command_id,
    ...(event && { payload: { typeUrl: `type.googleapis.com/${row.type}`, value: event.bytes } }),
    personalErased: event !== undefined && row.personal === null && holdsPersonalData(event.schema),
  };
}
