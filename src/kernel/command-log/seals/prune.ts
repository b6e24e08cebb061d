import type pg from 'pg';
import type { SigningKey } from '../../auth/signing-key.ts';
import { epochMs } from './canonical-record.ts';
import { pruneStatement } from './prune-mark.ts';
import { signed } from './signature.ts';

/** Runs a statement inside the transaction of the one who prunes. */
export type Query = <Row extends pg.QueryResultRow>(text: string, values: readonly unknown[]) => Promise<Row[]>;

export interface Pruned {
  /** Months that were removed, oldest first, e.g. `2026-11`. */
  readonly months: readonly string[];
  readonly records: number;
}

/** A month that was to be removed holds records that are not sealed yet. Nothing was removed. */
export interface NotSealed {
  readonly notSealed: string;
}

const PRUNE = `select ${epochMs('month_from')} as "from", ${epochMs('month_before')} as before, removed, through_sequence
  from cqrs.prune_command_log($1)`;

const WRITE_MARK = `insert into cqrs.command_log_prune (received_from, received_before, pruned_at, last_sequence, signature, key_id)
  values (timestamptz 'epoch' + $1::bigint * interval '1 millisecond', timestamptz 'epoch' + $2::bigint * interval '1 millisecond',
    timestamptz 'epoch' + $3::bigint * interval '1 millisecond', $4, $5, $6)`;

/** Raised by cqrs.prune_command_log with the month as its message. */
const NOT_SEALED = 'BC001';

interface PrunedMonth {
  readonly from: string;
  readonly before: string;
  readonly removed: string;
  readonly through_sequence: string;
}

/**
 * Removes the months of the log that have ended at or before a time, and marks each with a signature, so that verification can tell
 * what was pruned from what was taken away. Records outside of the monthly partitions stay.
 *
 * From its return to the end of the transaction the log is locked: end it soon. Fails with lock_not_available (55P03) when commands
 * or readers were in the way; it can be tried again in a new transaction.
 */
export async function pruneLog(
  query: Query,
  { before, key, now }: { before: Date; key: SigningKey; now: Date },
): Promise<Pruned | NotSealed> {
  let pruned: PrunedMonth[];
  try {
    pruned = await query<PrunedMonth>(PRUNE, [before.toISOString()]);
  } catch (error) {
    if (!Error.isError(error) || !('code' in error) || error.code !== NOT_SEALED) throw error;
    return { notSealed: error.message };
  }
  for (const month of pruned) {
    const lastSequence = Number(month.through_sequence);
    const content = { receivedFrom: month.from, receivedBefore: month.before, prunedAt: String(now.getTime()), lastSequence };
    const { signature, keyId } = signed(pruneStatement(content), key);
    await query(WRITE_MARK, [month.from, month.before, content.prunedAt, lastSequence, signature, keyId]);
  }
  return {
    months: pruned.map(({ from }) => new Date(Number(from)).toISOString().slice(0, 7)),
    records: pruned.reduce((sum, { removed }) => sum + Number(removed), 0),
  };
}
