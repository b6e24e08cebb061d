import type pg from 'pg';
import { timeOf } from '../../bus/call.ts';
import type { Cancellation } from '../../bus/cancellation.ts';
import type { TokenState } from '../../consistency/token.ts';
import { cancellableRows } from '../cancellable-query.ts';
import { parseLsn } from '../read/log-position.ts';

/** Where the log of the primary was. */
export type LogPlace = Omit<TokenState, 'position'>;

/** What a command left behind it, or why that could not be told: its commit stands all the same. */
export type CommittedState = TokenState | Error;

/** A commit is acknowledged when it is flushed: it lies before this place. A primary alone can say so, of the timeline that it writes. */
const PLACE = `pg_current_wal_flush_lsn() as lsn, left(pg_walfile_name(pg_current_wal_flush_lsn()), 8) as timeline`;
const SYSTEM = '(select system_identifier from pg_control_system()) as system_identifier';

const FIRST = { name: 'select log place and system', text: `select ${PLACE}, ${SYSTEM}` };
const NEXT = { name: 'select log place', text: `select ${PLACE}` };

interface PlaceRow {
  readonly lsn: string;
  /** In hexadecimal. */
  readonly timeline: string;
  readonly system_identifier?: string;
}

/** The file that it is in is read once a connection. */
const systems = new WeakMap<pg.ClientBase, bigint>();

/** Where the log of the primary is. Never rejects: what stands against it is returned. */
export async function logPlace(client: pg.ClientBase): Promise<LogPlace | Error> {
  const known = systems.get(client);
  try {
    const { rows } = await client.query<PlaceRow>(known === undefined ? FIRST : NEXT);
    const place = placeOf(rows[0], known);
    systems.set(client, place.systemIdentifier);
    return place;
  } catch (error) {
    return Error.isError(error) ? error : new Error(String(error));
  }
}

function placeOf(row: PlaceRow | undefined, known?: bigint): LogPlace {
  if (!row) throw new Error('the database returned no row about its log');
  const { lsn, timeline, system_identifier } = row;
  const systemIdentifier = known ?? BigInt(system_identifier ?? '');
  return { systemIdentifier, timeline: Number.parseInt(timeline, 16), lsn: parseLsn(lsn) };
}

/** What an earlier command left behind it, by its id. Its record has the events. */
const STATE_BEHIND = `select ${PLACE}, ${SYSTEM}, (select max(event.position) from cqrs.command_log as record
    join cqrs.event on event.id = any (record.event_ids) where record.command_id = $1 and record.received_at = $2) as position`;

/** What the database has now that it has the command. Never rejects. */
export async function stateBehind(pool: pg.Pool, commandId: string, cancellation: Cancellation): Promise<CommittedState> {
  const values = [commandId, timeOf(commandId).toISOString()];
  try {
    const statement = { text: STATE_BEHIND, values };
    const [row] = await cancellableRows<PlaceRow & { readonly position: string | null }>(pool, statement, cancellation);
    return { ...placeOf(row), position: BigInt(row?.position ?? 0) };
  } catch (error) {
    return Error.isError(error) ? error : new Error(String(error));
  }
}
