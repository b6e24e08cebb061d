import type pg from 'pg';
import { timeOf } from '../../bus/call.ts';
import type { Cancellation } from '../../bus/cancellation.ts';
import type { TokenState } from '../../consistency/token.ts';
import { cancellableRows } from '../cancellable-query.ts';
import { PLACE, placeOf, SYSTEM } from '../commit-query.ts';

/** What a command left behind it, or why that could not be told: its commit stands all the same. */
export type CommittedState = TokenState | Error;

/** What an earlier command left behind it, by its id. Its record has the events. */
const STATE_BEHIND = `select ${PLACE}, ${SYSTEM}, (select max(event.position) from cqrs.command_log as record
    join cqrs.event on event.id = any (record.event_ids) where record.command_id = $1 and record.received_at = $2) as position`;

interface StateRow {
  readonly lsn: string;
  readonly timeline: string;
  readonly system_identifier: string;
  readonly position: string | null;
}

/** What the database has now that it has the command. Never rejects. */
export async function stateBehind(pool: pg.Pool, commandId: string, cancellation: Cancellation): Promise<CommittedState> {
  const values = [commandId, timeOf(commandId).toISOString()];
  try {
    const [row] = await cancellableRows<StateRow>(pool, { text: STATE_BEHIND, values }, cancellation);
    const place = placeOf(row?.lsn, row?.timeline, BigInt(row?.system_identifier ?? 0));
    return { ...place, position: BigInt(row?.position ?? 0) };
  } catch (error) {
    return Error.isError(error) ? error : new Error(String(error));
  }
}
